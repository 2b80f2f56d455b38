/**
 * Whatever is asked costs the same in a small registry and in a large one. By hand with a million manifests:
 * `VITE_SCALE=1000000 npx vitest run --config test/vitest.config.ts test/api/scale.test.ts`, which takes minutes.
 */

import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { digestOfManifest, imageOf, manifestDescriptor, pushImage } from "../support/images.ts";
import { type Costs, measure } from "../support/meter.ts";
import { pushBlob, putManifest, request, sha256, textOf } from "../support/registry.ts";
import { SEVERAL } from "../support/stores.ts";

/** Manifests. */
const SMALL = 100;
const LARGE = Number(import.meta.env.VITE_SCALE ?? 10_000);

/** At once: D1 ends a statement that takes long. */
const AT_ONCE = 10_000;

/**
 * Each of the numbers from ?1 to before ?2 is a manifest with a tag, two blobs of its own and one that all share: half of
 * them in one repository, the others in a repository for every ten. Each is an event too, and one in ten has a subject.
 */
const FILL = [
  `INSERT INTO repositories (name) WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
   SELECT iif(i % 2, 'big', 'team/r' || (i / 20)) FROM n WHERE true ON CONFLICT DO NOTHING`,
  `INSERT INTO blobs (digest, object_key, size, used_at)
   WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
   SELECT 'b' || i || '-' || value, 'blobs/b' || i || '-' || value, 1, 1e14 FROM n JOIN json_each('[1, 2]')`,
  `INSERT INTO blobs (digest, object_key, size, used_at) SELECT 'shared', 'blobs/shared', ?1 * 0 + ?2 * 0 + 1, 1e14 WHERE true
   ON CONFLICT DO NOTHING`,
  `INSERT INTO repository_blobs (repository_id, blob_id, used_at)
   WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
   SELECT repositories.id, blobs.id, 1e14 FROM n
   JOIN repositories ON name = iif(i % 2, 'big', 'team/r' || (i / 20))
   JOIN blobs ON digest IN ('b' || i || '-1', 'b' || i || '-2', 'shared') WHERE true ON CONFLICT DO NOTHING`,
  `INSERT INTO manifests (repository_id, digest, media_type, size, content, used_at, subject, artifact_type, annotations)
   WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
   SELECT repositories.id, 'm' || i, 'x', 2, '{}', 1e14, iif(i % 10, NULL, 'm' || (i + 1)), iif(i % 10, NULL, 'x'), '{}' FROM n
   JOIN repositories ON name = iif(i % 2, 'big', 'team/r' || (i / 20))`,
  `INSERT INTO manifest_blobs (manifest_id, blob_id, repository_id)
   WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
   SELECT manifests.id, blobs.id, repositories.id FROM n
   JOIN repositories ON name = iif(i % 2, 'big', 'team/r' || (i / 20))
   JOIN manifests ON manifests.repository_id = repositories.id AND manifests.digest = 'm' || i
   JOIN blobs ON blobs.digest IN ('b' || i || '-1', 'b' || i || '-2', 'shared')`,
  `INSERT INTO tags (repository_id, name, manifest_id, updated_at)
   WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
   SELECT repositories.id, 't' || i, manifests.id, 1 FROM n
   JOIN repositories ON name = iif(i % 2, 'big', 'team/r' || (i / 20))
   JOIN manifests ON manifests.repository_id = repositories.id AND manifests.digest = 'm' || i`,
  `INSERT INTO audit_events (id, at, action, outcome, repository)
   WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
   SELECT 'e' || i, 1e14 + i, 'push-manifest', 'done', iif(i % 2, 'big', 'team/r' || (i / 20)) FROM n`,
];

async function fill(from: number, to: number): Promise<void> {
  for (let start = from; start < to; start += AT_ONCE) {
    const end = Math.min(start + AT_ONCE, to);
    for (const sql of FILL) await env.DB.prepare(sql).bind(start, end).run();
  }
}

const SUBJECT = imageOf("config", []);

/** What refers to it, made and deleted in each round. */
function referrer(round: string): object {
  return imageOf("config", [], { round, subject: manifestDescriptor(SUBJECT) });
}

function path(rest: string): string {
  return `/v2/big/${rest}`;
}

/** Each in the repository that holds half of all, in this order. */
const CALLS: [what: string, call: (round: string) => Promise<unknown>][] = [
  ["push a blob", (round) => pushBlob("big", `new ${round}`)],
  [
    "push a blob in one POST",
    (round) => {
      const url = `/v2/big/blobs/uploads/?digest=${sha256(`single ${round}`)}`;
      return request("POST", url, { body: `single ${round}` });
    },
  ],
  ["push a blob that is there", () => pushBlob("big", "config")],
  ["push a manifest", (round) => putManifest("big", `new-${round}`, imageOf("config", [], { round }))],
  ["push a referrer", (round) => putManifest("big", digestOfManifest(referrer(round)), referrer(round))],
  ["mount a blob", () => request("POST", `/v2/other/blobs/uploads/?mount=${sha256("config")}&from=big`)],
  ["mount a blob from anywhere", () => request("POST", `/v2/else/blobs/uploads/?mount=${sha256("config")}`)],
  ["pull a manifest by tag", () => request("GET", path("manifests/probe"))],
  ["pull a manifest by digest", () => request("GET", path(`manifests/${digestOfManifest(SUBJECT)}`))],
  ["ask for a manifest", () => request("HEAD", path("manifests/probe"))],
  ["ask for a manifest that is not there", () => request("HEAD", path("manifests/none"))],
  ["pull a blob", () => request("GET", path(`blobs/${sha256("config")}`))],
  ["ask for a blob", () => request("HEAD", path(`blobs/${sha256("config")}`))],
  ["ask for a blob that is not there", () => request("HEAD", path(`blobs/${sha256("none")}`))],
  ["list tags", () => request("GET", path("tags/list?n=10"))],
  ["list tags from the middle", () => request("GET", path("tags/list?n=10&last=t5"))],
  ["list repositories", () => request("GET", "/v2/_catalog?n=2")],
  ["list referrers", () => request("GET", path(`referrers/${digestOfManifest(SUBJECT)}`))],
  ["list who holds what", () => request("GET", "/v2/_berth/usage?n=5")],
  ["read the audit trail", () => request("GET", "/v2/_berth/audit?n=5")],
  ["read a repository's audit trail", () => request("GET", "/v2/_berth/audit?n=5&repository=big")],
  ["move a tag", (round) => putManifest("big", "probe", imageOf("config", [], { moved: round }))],
  ["move it back", () => putManifest("big", "probe", SUBJECT)],
  ["delete a tag", (round) => request("DELETE", path(`manifests/new-${round}`))],
  ["delete a manifest", (round) => request("DELETE", path(`manifests/${digestOfManifest(referrer(round))}`))],
  ["delete a blob", (round) => request("DELETE", path(`blobs/${sha256(`new ${round}`)}`))],
  ["collect", () => request("POST", "/v2/_berth/gc")],
  ["say what would be collected", () => request("POST", "/v2/_berth/gc?dry-run=true")],
];

async function costsOfAll(round: string): Promise<Map<string, Omit<Costs, "r2">>> {
  const found = new Map<string, Omit<Costs, "r2">>();
  // A run looks at those before it, up to a hundred.
  for (const db of SEVERAL ? [env.DB, env.MAIN_DB] : [env.DB]) await db.prepare("DELETE FROM gc_runs").run();
  for (const [what, call] of CALLS) {
    let session: string | null = null;
    const { r2, ...costs } = await measure(async () => {
      const answer = await call(round);
      if (!(answer instanceof Response)) return;
      const text = await textOf(answer);
      if (answer.status >= 500) throw new Error(`${what}: ${answer.status} ${text}`);
      session = answer.headers.get("Docker-Upload-UUID") && answer.headers.get("Location");
    });
    found.set(what, costs);
    // What another database has is not mounted; the next one would count that session too.
    if (session !== null) await request("DELETE", session);
  }
  return found;
}

test(`every call reads and writes as many rows with ${LARGE} manifests as with ${SMALL}`, {
  timeout: 3_600_000,
}, async () => {
  await pushImage("big", "probe", "config", []);
  await fill(0, SMALL);
  // What is only done once is not measured, nor a page of events that is not full yet.
  for (let before = 0; before < 6; before++) await costsOfAll(`before ${before}`);
  const small = await costsOfAll("first");
  await fill(SMALL, LARGE);
  const large = await costsOfAll("second");
  const differing = [...small].filter(
    ([what, costs]) => JSON.stringify(costs) !== JSON.stringify(large.get(what)),
  );
  expect(differing.map(([what, costs]) => [what, costs, large.get(what)])).toEqual([]);
  const [{ manifests } = { manifests: 0 }] = (
    await env.DB.prepare("SELECT count(*) AS manifests FROM manifests").all<{ manifests: number }>()
  ).results;
  expect(manifests).toBeGreaterThanOrEqual(LARGE);
});
