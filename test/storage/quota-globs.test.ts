/** Which repositories a quota covers: SQLite says the same as the globs of the rest of the registry, in three places. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import migration from "../../migrations/0006_quotas.sql?raw";
import { parseGlob } from "../../src/oci/globs.ts";
import type { RepositoryName } from "../../src/oci/reference.ts";
import { Database } from "../../src/storage/database.ts";
import { selectTightest } from "../../src/storage/quotas.ts";
import source from "../../src/storage/quotas.ts?raw";
import { setQuota, wrongCounts } from "../support/quotas.ts";

const LONG = "a-very-long-path/of-an-organisation/with-many-departments/and-teams";

const PATTERNS = [
  ...["team", "team/app", "team/*", "*/app", "team/*/app", "te*", "*", "*/*", "team-*/a*p"],
  ...["**", "team/**", "**/app", "te**", "team/**/app", `${LONG}/**`, `${LONG}/*`, LONG],
];

const NAMES = [
  ...[
    "team",
    "team/app",
    "team/app/x",
    "team/x/app",
    "team/x/y/app",
    "teams",
    "teams/app",
    "te",
    "tea",
    "app",
  ],
  ...[
    "x/app",
    "team-a/app",
    "team-a/x/app",
    "team/app-2",
    "team/ap",
    "team.x/app",
    "team_x",
    "a",
    "0",
    "z/z",
  ],
  ...[LONG, `${LONG}/app`, `${LONG}/app/x`, `${LONG}-2`],
] as RepositoryName[];

function addRepositories(): Promise<unknown> {
  return env.DB.batch(
    NAMES.map((name) => env.DB.prepare("INSERT INTO repositories (name) VALUES (?1)").bind(name)),
  );
}

function setAll(): Promise<unknown> {
  return PATTERNS.reduce<Promise<unknown>>(
    (before, repositories, index) => before.then(() => setQuota(`q${index}`, { repositories }, 10)),
    Promise.resolve(),
  );
}

const covered = async () => (await env.DB.prepare("SELECT 1 FROM quota_repositories").all()).results.length;
const expected = PATTERNS.flatMap((pattern) => NAMES.filter((name) => parseGlob(pattern)?.matches(name)));

test("some are covered, and some are not", () => {
  expect(expected.length).toBeGreaterThan(PATTERNS.length);
  for (const pattern of PATTERNS) expect([pattern, parseGlob(pattern)]).not.toEqual([pattern, null]);
});

describe("the same repositories are covered", () => {
  test("where they are there before the quota", async () => {
    await addRepositories();
    await setAll();
    expect(await wrongCounts()).toEqual([]);
    expect(await covered()).toBe(expected.length);
  });

  test("where the quota is there before them", async () => {
    await setAll();
    await addRepositories();
    expect(await wrongCounts()).toEqual([]);
    expect(await covered()).toBe(expected.length);
  });

  test.each(PATTERNS)("where it is asked before they are there: %s", async (repositories) => {
    await setQuota("q", { repositories }, 10);
    const found: string[] = [];
    for (const name of NAMES) {
      const addition = { repository: name, owner: null, digest: null };
      if ((await selectTightest(new Database(env.DB), addition).first()) !== null) found.push(name);
    }
    expect(found).toEqual(NAMES.filter((name) => parseGlob(repositories)?.matches(name)));
  });
});

test("the trigger for new repositories has the condition of the source", () => {
  const condition = /const COVERS = `([^`]*)`/.exec(source)?.[1] ?? "";
  expect(condition.length).toBeGreaterThan(100);
  expect(migration).toContain(` JOIN quotas ON ${condition}; END;`);
});

test("no glob has a character that means something else to SQLite", () => {
  for (const pattern of ["a?", "a[b]", "a]", "A", "a b", "a'b", "a\\b"])
    expect(parseGlob(pattern)).toBe(null);
});
