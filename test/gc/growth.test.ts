/** What a collection reads grows with the garbage alone: asked at two sizes, of every step. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { measure } from "../support/meter.ts";
import { setVariables } from "../support/settings.ts";
import { collect } from "./support.ts";

const FEW = 300;
const MANY = 1500;

/** SQL that makes a row of each number in the list ?1. All are of 1970. */
const REPOSITORIES = `INSERT INTO repositories (name) SELECT 'r' || value FROM json_each(?1)`;
const BLOBS = `INSERT INTO blobs (digest, object_key, size, used_at) SELECT 'd' || value, 'blobs/' || value, 1, 1 FROM json_each(?1)`;
const TAGS = `INSERT INTO tags (repository_id, name, manifest_id, updated_at)
  SELECT repository_id, 't' || value, manifests.id, 1 FROM json_each(?1) JOIN manifests ON digest = 'm' || value`;
const INDEX = `INSERT INTO index_manifests (index_id, digest, repository_id)
  SELECT parent.id, named.digest, named.repository_id FROM json_each(?1)
  JOIN manifests AS named ON named.digest = 'm' || value JOIN manifests AS parent ON parent.digest = 'index'`;

/** @param repository SQL for its name */
function links(repository: string, digest: string): string {
  return `INSERT INTO repository_blobs (repository_id, blob_id, used_at)
    SELECT repositories.id, blobs.id, 1 FROM json_each(?1) JOIN repositories ON name = ${repository}
    JOIN blobs ON digest = ${digest}`;
}

function manifests(repository: string, subject = "NULL"): string {
  return `INSERT INTO manifests (repository_id, digest, media_type, size, content, subject, used_at)
    SELECT repositories.id, 'm' || value, 'x', 1, '', ${subject}, 1
    FROM json_each(?1) JOIN repositories ON name = ${repository}`;
}

/** What is there from the beginning: the repository a, with a tagged manifest and a blob. */
const BEGINNING = [
  `INSERT INTO repositories (name) VALUES ('a')`,
  `INSERT INTO blobs (digest, object_key, size, used_at) VALUES ('shared', 'blobs/shared', 1, 1)`,
  `INSERT INTO manifests (repository_id, digest, media_type, size, content, used_at)
   SELECT id, 'index', 'x', 1, '', 1 FROM repositories`,
  `INSERT INTO tags (repository_id, name, manifest_id, updated_at)
   SELECT repository_id, 'latest', id, 1 FROM manifests`,
];

async function fill(statements: string[], from: number, to: number): Promise<void> {
  const numbers = JSON.stringify(Array.from({ length: to - from }, (_, index) => from + index));
  await env.DB.batch(statements.map((sql) => env.DB.prepare(sql).bind(numbers)));
}

/** Rows read by a collection. */
async function cost(dryRun: boolean): Promise<number> {
  return (await measure(() => collect(dryRun))).rowsRead;
}

interface Case {
  what: string;
  /** See {@link fill}. */
  rows: string[];
  /** Most rows read for each thing. */
  each: number;
  /** Whether a real run leaves all of it in its place. */
  stays?: boolean;
  dry?: boolean;
}

const CASES: Case[] = [
  {
    what: "an object that is deleted",
    rows: [
      `INSERT INTO doomed_objects (object_key, bytes, doomed_at) SELECT 'blobs/' || value, 1, value FROM json_each(?1)`,
    ],
    each: 2,
  },
  {
    what: "an object that waits to be deleted",
    rows: [
      `INSERT INTO doomed_objects (object_key, bytes, doomed_at)
       SELECT 'blobs/' || value, 1, unixepoch() * 1000 FROM json_each(?1)`,
    ],
    each: 1,
    stays: true,
  },
  { what: "a tagged manifest", rows: [manifests("'a'"), TAGS], each: 0, stays: true },
  { what: "a manifest that an index names", rows: [manifests("'a'"), INDEX], each: 0, stays: true },
  { what: "a referrer whose subject is there", rows: [manifests("'a'", "'index'")], each: 0, stays: true },
  {
    what: "a repository that holds something",
    rows: [REPOSITORIES, manifests("'r' || value"), TAGS],
    each: 0,
    stays: true,
  },
  { what: "an untagged manifest that is taken", rows: [manifests("'a'")], each: 17 },
  { what: "a referrer that is taken", rows: [manifests("'a'", "'gone'")], each: 17 },
  { what: "a link that is taken, with its blob", rows: [BLOBS, links("'a'", "'d' || value")], each: 24 },
  { what: "a repository that is taken", rows: [REPOSITORIES], each: 8 },
  {
    what: "a link of a blob of many repositories, in a dry run",
    rows: [REPOSITORIES, links("'r' || value", "'shared'")],
    each: 3,
    stays: true,
    dry: true,
  },
  {
    what: "a link of a blob of its own, in a dry run",
    rows: [BLOBS, links("'a'", "'d' || value")],
    each: 6,
    stays: true,
    dry: true,
  },
];

test("a run in which every step has more to do than it may stays within D1's 1,000 queries", {
  timeout: 300_000,
}, async () => {
  setVariables({ UNTAGGED_MANIFESTS: "1d", DELETED_BYTES_KEPT: "0", AUDIT_KEPT: "1d" });
  await env.DB.batch(BEGINNING.map((sql) => env.DB.prepare(sql)));
  for (let page = 0; page < 60; page++) {
    await fill(
      [
        `INSERT INTO doomed_objects (object_key, bytes, doomed_at) SELECT 'blobs/x' || value, 1, value FROM json_each(?1)`,
        manifests("'a'"),
        BLOBS,
        links("'a'", "'d' || value"),
        REPOSITORIES,
        `INSERT INTO audit_events (id, at, action, outcome) SELECT value, 1, 'x', 'done' FROM json_each(?1)`,
      ],
      page * 1000,
      (page + 1) * 1000,
    );
  }
  let unfinished: string[] = [];
  const costs = await measure(async () => {
    unfinished = (await collect()).unfinished;
  });
  expect(unfinished).toEqual(["objects", "manifests", "links", "blobs", "repositories", "events"]);
  // The walk, which had nothing to list here, goes to the database twice a page at most.
  expect(costs.queries).toBeLessThanOrEqual(1000 - 2 * 200);
});

describe("with the policy for untagged manifests and for referrers, rows read are at most", () => {
  test.each(CASES)("$each for $what", async ({ rows, each, stays = false, dry = false }) => {
    setVariables({
      UNTAGGED_MANIFESTS: "1d",
      DELETE_DANGLING_REFERRERS: "true",
      DELETED_BYTES_KEPT: stays ? "7d" : "0",
    });
    await env.DB.batch(BEGINNING.map((sql) => env.DB.prepare(sql)));
    await collect();
    const idle = await cost(dry);
    await fill(rows, 0, FEW);
    const few = await cost(dry);
    await fill(rows, FEW, FEW + MANY);
    const many = await cost(dry);
    expect(few - idle).toBeLessThanOrEqual(FEW * each + 20);
    expect(many - idle).toBeLessThanOrEqual((stays || dry ? FEW + MANY : MANY) * each + 20);
  });
});
