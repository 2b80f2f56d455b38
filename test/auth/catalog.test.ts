/** The catalog of a caller who may not see all of it. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { measure } from "../support/meter.ts";
import { codesOf, request } from "../support/registry.ts";
import { addUser, basic } from "../support/users.ts";

/** So many secret repositories between two that the caller may pull from. */
const SECRET = 12_000;

beforeEach(async () => {
  const number = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
  await env.DB.batch([
    env.DB.prepare(`INSERT INTO repositories (name) ${number} SELECT printf('secret/r%05d', i) FROM n`).bind(
      SECRET,
    ),
    env.DB.prepare("INSERT INTO repositories (name) VALUES ('a/first'), ('z/last')"),
    env.DB.prepare(
      `INSERT INTO manifests (repository_id, digest, media_type, size, content, used_at)
       SELECT id, 'sha256:0', 'x', 1, '{}', 0 FROM repositories`,
    ),
  ]);
  await addUser("judy", { access: [{ repositories: ["a/*", "z/*"], actions: ["pull"] }] });
});

function list(path: string): Promise<Response> {
  return request("GET", path, { headers: { Authorization: basic("judy") } });
}

describe("a page with much between", () => {
  test("reads a bounded number of rows, and links to the rest without a name that the caller may not know", async () => {
    const seen: string[] = [];
    let pages = 0;
    for (let path: string | undefined = "/v2/_catalog?n=5"; path; pages++) {
      const at: string = path;
      const costs = await measure(async () => {
        const response = await list(at);
        seen.push(...((await response.json()) as { repositories: string[] }).repositories);
        path = /<(.*)>/.exec(response.headers.get("Link") ?? "")?.[1];
      });
      expect(costs.rowsRead).toBeLessThanOrEqual(5000 + 20);
      expect(path ?? "").not.toContain("secret");
    }
    expect([seen, pages]).toEqual([["a/first", "z/last"], 3]);
  });

  test("reads none of the repositories without a manifest, however many there are", async () => {
    await env.DB.prepare(
      "DELETE FROM manifests WHERE repository_id IN (SELECT id FROM repositories WHERE name LIKE 'secret/%')",
    ).run();
    const costs = await measure(async () => {
      const { repositories } = (await (await request("GET", "/v2/_catalog?n=5")).json()) as {
        repositories: string[];
      };
      expect(repositories).toEqual(["a/first", "z/last"]);
    });
    expect(costs.rowsRead).toBeLessThanOrEqual(4);
  });

  test("goes on when the repository where it stopped has gone", async () => {
    const link = /<(.*)>/.exec((await list("/v2/_catalog?n=5")).headers.get("Link") ?? "")?.[1] ?? "";
    const id = Number(new URLSearchParams(link.split("?")[1]).get("beyond"));
    await env.DB.batch([
      env.DB.prepare("DELETE FROM manifests WHERE repository_id = ?1").bind(id),
      env.DB.prepare("DELETE FROM repositories WHERE id = ?1").bind(id),
    ]);
    const next = await list(link);
    expect([next.status, await next.json()]).toEqual([200, { repositories: [] }]);
    expect(next.headers.get("Link")).toContain("last=a%2Ffirst");
  });

  test("is asked for by a number, and nothing else", async () => {
    const response = await list("/v2/_catalog?n=5&beyond=secret/r1");
    expect([response.status, await codesOf(response)]).toEqual([400, ["UNSUPPORTED"]]);
  });
});
