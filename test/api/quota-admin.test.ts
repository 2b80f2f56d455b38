/** /v2/_berth/quotas and /v2/_berth/usage: administrators say how much may be held, and see who holds what. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { eventsOf } from "../support/events.ts";
import { breakAll, healAll } from "../support/faults.ts";
import { imageOf, pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { setQuota, usedOf } from "../support/quotas.ts";
import { codesOf, pushBlob, putManifest, request, sha256 } from "../support/registry.ts";
import { SEVERAL } from "../support/stores.ts";
import { addUser, basic } from "../support/users.ts";

/** What is said of all databases together is tested in test/databases. */

const TEAM = { repositories: "team/**", allowed: 1000 };

function put(name: string, body: unknown): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return request("PUT", `/v2/_berth/quotas/${name}`, { body: text });
}

function remove(name: string): Promise<Response> {
  return request("DELETE", `/v2/_berth/quotas/${name}`);
}

async function list(): Promise<{ name: string; used: number; updatedAt: number }[]> {
  return ((await (await request("GET", "/v2/_berth/quotas")).json()) as { quotas: [] }).quotas;
}

describe("a quota", () => {
  test("is set, listed in the order of names, changed, and removed once with all its counts", async () => {
    const before = Date.now();
    expect(await list()).toEqual([]);
    await pushBlob("team/a", "hello");
    const response = await put("team", TEAM);
    expect([response.status, await response.json()]).toEqual([200, { name: "team", ...TEAM, used: 5 }]);
    await put("alice", { owner: "alice", allowed: 7 });
    await put("team", { ...TEAM, allowed: 2000 });
    expect(await list()).toEqual([
      { name: "alice", owner: "alice", allowed: 7, used: 0, updatedAt: expect.any(Number) },
      { name: "team", repositories: "team/**", allowed: 2000, used: 5, updatedAt: expect.any(Number) },
    ]);
    for (const { updatedAt } of await list()) expect(updatedAt).toBeGreaterThanOrEqual(before);
    expect((await remove("team")).status).toBe(204);
    const again = await remove("team");
    expect([again.status, await codesOf(again)]).toEqual([404, ["NAME_UNKNOWN"]]);
    for (const table of ["quota_bytes", "quota_repositories"])
      expect((await env.DB.prepare(`SELECT * FROM ${table}`).all()).results).toEqual([]);
    expect((await list()).map(({ name }) => name)).toEqual(["alice"]);
  });

  test.each([
    ["ok", "", "must be JSON"],
    ["ok", "[]", "repositories, or"],
    ["ok", { allowed: 1 }, "repositories, or"],
    ["ok", { ...TEAM, owner: "alice" }, "repositories, or"],
    ["ok", { ...TEAM, more: 1 }, "more"],
    ["ok", { ...TEAM, allowed: -1 }, "allowed"],
    ["ok", { ...TEAM, allowed: 1.5 }, "allowed"],
    ["ok", { ...TEAM, allowed: "1GB" }, "allowed"],
    ["ok", { ...TEAM, allowed: 1e16 }, "allowed"],
    ["ok", { repositories: "team/**" }, "allowed"],
    ["ok", { ...TEAM, repositories: ["team/**"] }, "glob"],
    ["ok", { ...TEAM, repositories: "Team" }, "glob"],
    ["ok", { ...TEAM, repositories: "*/team/**" }, "either"],
    ["ok", { ...TEAM, repositories: `a/*${"x".repeat(50)}` }, "50"],
    ["ok", { owner: "", allowed: 1 }, "owner"],
    ["ok", { owner: "a\nb", allowed: 1 }, "owner"],
    ["ok", { owner: 7, allowed: 1 }, "owner"],
    ["a%2Fb", TEAM, "name"],
    ["a b", TEAM, "name"],
    ["x".repeat(65), TEAM, "name"],
  ])("named %s, of %j is refused with what to do", async (name, body, hint) => {
    const response = await put(encodeURI(name).replace("%252F", "%2F"), body);
    const text = await response.text();
    expect([response.status, text.includes("UNSUPPORTED"), text.includes(hint)]).toEqual([400, true, true]);
    expect(await list()).toEqual([]);
  });

  test("has 50 characters from its first * on, which the database takes, and more before", async () => {
    const repositories = `${"a".repeat(100)}/*${"x".repeat(49)}`;
    expect((await put("long", { repositories, allowed: 5 })).status).toBe(200);
    await pushBlob(`${"a".repeat(100)}/b${"x".repeat(49)}`, "hello");
    expect(await usedOf("long")).toBe(5);
  });

  test("is one of 100 at most: the next is refused, and those that are there can be changed", async () => {
    for (let index = 0; index < 100; index++) await setQuota(`q${index}`, { repositories: "a" }, 1);
    const events = await eventsOf(async () => {
      const response = await put("more", TEAM);
      expect([response.status, await codesOf(response)]).toEqual([409, ["DENIED"]]);
    });
    expect(events).toEqual([]);
    expect((await put("q7", TEAM)).status).toBe(200);
    await remove("q3");
    expect((await put("more", TEAM)).status).toBe(200);
  });
});

describe("only an administrator", () => {
  test.each(["GET quotas", "PUT quotas/a", "DELETE quotas/a", "GET usage"])("may %s", async (what) => {
    const [method = "", path = ""] = what.split(" ");
    await addUser("pusher", { access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }] });
    await setQuota("a", { repositories: "a" }, 5);
    const ask = (Authorization: string) =>
      request(method, `/v2/_berth/${path}`, {
        headers: { Authorization },
        ...(method === "PUT" && { body: JSON.stringify(TEAM) }),
      });
    expect((await ask("")).status).toBe(401);
    expect((await ask(basic("pusher"))).status).toBe(403);
    expect(await list()).toMatchObject([{ name: "a", repositories: "a", allowed: 5 }]);
    expect((await ask(basic("admin"))).status).toBeLessThan(300);
  });
});

describe("the audit trail", () => {
  test("has each change with what was said and used, and none of what was refused", async () => {
    await pushBlob("team/a", "hello");
    const events = await eventsOf(async () => {
      await put("a", TEAM);
      await put("a", { owner: "alice", allowed: 7 });
      await put("a", "nonsense");
      await remove("a");
      await remove("a");
    });
    const told = events.map(({ action, actor, reference, outcome, detail }) => ({
      ...{ action, actor, reference, outcome },
      detail: JSON.parse(detail as string),
    }));
    const common = { actor: "admin", reference: "a", outcome: "done" };
    const last = { owner: "alice", allowed: 7, used: 0 };
    expect(told).toEqual(
      expect.arrayContaining([
        { action: "set-quota", ...common, detail: { ...TEAM, used: 5 } },
        { action: "set-quota", ...common, detail: last },
        { action: "remove-quota", ...common, detail: last },
      ]),
    );
    expect(told).toHaveLength(3);
  });

  test.skipIf(SEVERAL).each(["before", "after"] as const)(
    "and the change are both there, or neither: failing %s",
    async (when) => {
      const events = await eventsOf(async () => {
        breakAll("DB.batch", when);
        expect((await put("a", TEAM)).status).toBe(503);
        healAll();
      });
      expect([events.length, (await list()).length]).toEqual(when === "before" ? [0, 0] : [1, 1]);
    },
  );
});

describe("usage", () => {
  interface Entry {
    repository: string;
    owner: string | null;
    bytes: number;
    blobs: number;
    manifests: number;
  }

  async function page(query = ""): Promise<{ repositories: Entry[]; next: string | null }> {
    const response = await request("GET", `/v2/_berth/usage${query}`);
    expect(response.status).toBe(200);
    return (await response.json()) as { repositories: Entry[]; next: string | null };
  }

  test.skipIf(SEVERAL)(
    "tells what each repository holds, and whose it is; nothing of what holds nothing",
    async () => {
      await addUser("alice");
      await pushImage("a", "latest", "config", ["layer"]);
      const post = `/v2/b/blobs/uploads/?digest=${sha256("layer")}`;
      await request("POST", post, { body: "layer", headers: { Authorization: basic("alice") } });
      await env.DB.prepare("UPDATE repositories SET owner = NULL WHERE name = 'a'").run();
      await env.DB.prepare("INSERT INTO repositories (name) VALUES ('empty')").run();
      const bytes = JSON.stringify(imageOf("config", ["layer"])).length + "configlayer".length;
      expect(await page()).toEqual({
        repositories: [
          { repository: "a", owner: null, bytes, blobs: 2, manifests: 1, pulledAt: null },
          { repository: "b", owner: "alice", bytes: 5, blobs: 1, manifests: 0, pulledAt: null },
        ],
        next: null,
      });
    },
  );

  test.skipIf(SEVERAL).each([1, 2, 3, 5, 100])("comes in pages of %d, which add up to all", async (n) => {
    for (const name of ["a", "b", "c"])
      await pushImage(name, "latest", `config of ${name}`, ["layer", "more"]);
    await putManifest("b", "v2", imageOf("config of b", []));
    const whole = (await page()).repositories;
    const sums = new Map<string, Entry>();
    for (let last: string | null = null; ; ) {
      const query: string = last === null ? "" : `&last=${encodeURIComponent(last)}`;
      const { repositories, next } = await page(`?n=${n}${query}`);
      const read = repositories.reduce((sum, { blobs }) => sum + blobs, 0);
      expect(read).toBeLessThanOrEqual(n);
      for (const entry of repositories) {
        const sum = sums.get(entry.repository) ?? { ...entry, bytes: 0, blobs: 0, manifests: 0 };
        sum.bytes += entry.bytes;
        sum.blobs += entry.blobs;
        sum.manifests += entry.manifests;
        sums.set(entry.repository, sum);
      }
      if (next === null) break;
      last = next;
    }
    expect([...sums.values()]).toEqual(whole);
  });

  test("costs by the page, not by what there is", async () => {
    for (let index = 0; index < 30; index++) await pushBlob("a", `blob ${index}`);
    const costs = await measure(() => page("?n=5"));
    expect([costs.queries, costs.rowsWritten, costs.rowsRead < 40]).toEqual([1, 0, true]);
  });

  test.each([
    "n=0",
    "n=-1",
    "n=x",
    "last=x",
    "last=[1]",
    "last=[1,2,3,4]",
    'last=[1,"x",3,"y"]',
    'last=["a","b",1,"c"]',
  ])("%s is refused", async (query) => {
    const response = await request("GET", `/v2/_berth/usage?${encodeURI(query)}`);
    expect([response.status, await codesOf(response)]).toEqual([400, ["UNSUPPORTED"]]);
  });
});
