/** What each page may ask of D1, beside a registry that holds much more than it shows: so many queries, so many rows. */

import { env } from "cloudflare:workers";
import { beforeEach, expect, test } from "vitest";
import { Browser } from "../support/browser.ts";
import { measure } from "../support/meter.ts";
import { request } from "../support/registry.ts";
import { pushShown } from "./images.ts";

/** With the one query for the session. */
const BUDGETS: [path: string, queries: number, rows: number][] = [
  ["/", 3, 50],
  ["/?q=app", 4, 3200],
  ["/?sort=push", 3, 300],
  ["/?sort=size&q=app", 4, 6200],
  ["/r/app", 5, 90],
  ["/r/app?sort=size", 6, 130],
  ["/r/app?sort=pull", 6, 100],
  ["/image/app/v1", 6, 60],
  ["/compare/app?tag=v1&tag=v2", 11, 115],
  ["/untagged/app", 2, 20],
  ["/delete/app/v1", 4, 40],
  ["/delete-repository/app", 2, 40],
  ["/retag/app/v1", 2, 8],
  ["/collection", 2, 6],
  ["/tokens", 1, 2],
  ["/users", 1, 2],
  ["/add-user", 1, 2],
  ["/user/admin", 1, 2],
  ["/usage", 3, 9_100],
  ["/rules", 3, 8],
  ["/audit", 2, 60],
  ["/audit?from=2026-01-01&until=2026-01-02", 2, 5],
];

beforeEach(async () => {
  for (const tag of ["v1", "v2"]) await pushShown("app", tag);
  const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)`;
  for (const sql of [
    `INSERT INTO repositories (name) ${numbers} SELECT 'team/r' || i FROM n`,
    `INSERT INTO manifests (repository_id, digest, media_type, size, content, used_at)
     SELECT id, 'sha256:' || id, 'x', 2, '{}', 1 FROM repositories WHERE name LIKE 'team/%'`,
    `INSERT INTO tags (repository_id, name, manifest_id, updated_at)
     SELECT repository_id, 'latest', id, 1 FROM manifests WHERE media_type = 'x'`,
    `INSERT INTO audit_events (id, at, action, outcome) ${numbers} SELECT 'e' || i, i, 'scrub', 'done' FROM n`,
  ])
    await env.DB.prepare(sql).run();
  await request("GET", "/v2/");
});

test("every page keeps to its budget", async () => {
  const browser = await Browser.signedIn("admin");
  await browser.get("/");
  for (const [path, queries, rows] of BUDGETS) {
    const found = await measure(async () =>
      expect([path, (await browser.get(path)).status]).toEqual([path, 200]),
    );
    expect.soft([path, found.queries <= queries, found.queries]).toEqual([path, true, expect.anything()]);
    expect.soft([path, found.rowsRead <= rows, found.rowsRead]).toEqual([path, true, expect.anything()]);
    expect.soft([path, found.rowsWritten]).toEqual([path, 0]);
  }
});
