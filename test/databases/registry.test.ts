/** One registry over three databases: what clients and administrators see of that. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { forgetMigrated } from "../../src/routes/unavailable.ts";
import { wholeBucket } from "../support/bucket.ts";
import { pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { setPolicy } from "../support/policies.ts";
import { setQuota, usedOf } from "../support/quotas.ts";
import { codesOf, pushBlob, request, sha256, startUpload } from "../support/registry.ts";
import { haveThreeDatabases, setVariables } from "../support/settings.ts";
import { addUser, basic } from "../support/users.ts";

/** `team` lies in DB_2, which the tests call DB, `mirror` in the third, and the rest in the main one. */
const PLACES = "team=DB_2 mirror=DB_3";

beforeEach(async () => {
  await haveThreeDatabases(PLACES);
  forgetMigrated();
});

const getBlob = (name: string, digest: string) => request("GET", `/v2/${name}/blobs/${digest}`);

const count = (db: D1Database, table: string) => db.prepare(`SELECT count(*) AS n FROM ${table}`).first("n");

async function json<T>(path: string, init?: RequestInit, method = "GET"): Promise<T> {
  const response = await request(method, path, init);
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

/** All pages of a list, by its links. */
async function pagesOf(first: string, user = "admin"): Promise<string[][]> {
  const pages: string[][] = [];
  for (let path: string | undefined = first; path; ) {
    const at: string = path;
    const response: Response = await request("GET", at, { headers: { Authorization: basic(user) } });
    pages.push(((await response.json()) as { repositories: string[] }).repositories);
    path = /<(.*)>/.exec(response.headers.get("Link") ?? "")?.[1];
    expect(path).not.toBe(at);
  }
  return pages;
}

describe("what is pushed", () => {
  test("lies in the database of its repository, and its bytes in that database's part of the store", async () => {
    await pushImage("team/app", "v1", "config", ["layer"]);
    expect(await count(env.DB, "manifests")).toBe(1);
    expect(await count(env.MAIN_DB, "repositories")).toBe(0);
    expect(await count(env.THIRD_DB, "repositories")).toBe(0);
    const keys = await wholeBucket.keys();
    expect(keys.filter((key) => !key.startsWith("DB_2/blobs/"))).toEqual([]);
    expect(keys).toHaveLength(2);
    expect(await (await getBlob("team/app", sha256("layer"))).text()).toBe("layer");
  });

  test("in main has nobody's part", async () => {
    await pushBlob("other/app", "layer");
    const [only] = await wholeBucket.keys();
    expect(only).toMatch(/^blobs\//);
  });

  test("is not seen through another database's repository of the same blob", async () => {
    await pushBlob("team/app", "layer");
    expect((await getBlob("mirror/app", sha256("layer"))).status).toBe(404);
  });
});

describe("a mount", () => {
  const mount = (to: string, from: string) =>
    request("POST", `/v2/${to}/blobs/uploads/?mount=${sha256("layer")}&from=${from}`);

  test("within a database brings the blob", async () => {
    await pushBlob("team/app", "layer");
    expect((await mount("team/other", "team/app")).status).toBe(201);
  });

  test("from another one begins an upload, as if it were not there", async () => {
    await pushBlob("team/app", "layer");
    expect((await mount("mirror/app", "team/app")).status).toBe(202);
    expect(await count(env.THIRD_DB, "repository_blobs")).toBe(0);
  });
});

describe("the catalog", () => {
  const NAMES = ["a/one", "mirror/a", "mirror/b", "other", "team/a", "team/b", "z/last"];

  beforeEach(async () => {
    for (const name of NAMES) await pushImage(name, "v1", "config", []);
  });

  test("has the repositories of all databases in one order", async () => {
    expect(await pagesOf("/v2/_catalog")).toEqual([NAMES]);
  });

  test.each([1, 2, 3, 6, 7])("has each once in pages of %i", async (n) => {
    const pages = await pagesOf(`/v2/_catalog?n=${n}`);
    expect(pages.flat()).toEqual(NAMES);
    expect(pages.slice(0, -1).every((page) => page.length === n)).toBe(true);
  });

  test("has of a user only what he may pull", async () => {
    await addUser("judy", { access: [{ repositories: ["team/b", "z/**"], actions: ["pull"] }] });
    expect((await pagesOf("/v2/_catalog?n=1", "judy")).flat()).toEqual(["team/b", "z/last"]);
  });

  test("goes past what a move has left behind, however much that is", async () => {
    await env.MAIN_DB.batch([
      env.MAIN_DB.prepare(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
         INSERT INTO repositories (name) SELECT printf('team/left%05d', i) FROM n`,
      ),
      env.MAIN_DB.prepare(
        `INSERT INTO manifests (repository_id, digest, media_type, size, content, used_at)
         SELECT id, 'sha256:0', 'x', 1, '{}', 0 FROM repositories WHERE name LIKE 'team/left%'`,
      ),
    ]);
    expect((await pagesOf("/v2/_catalog")).flat()).toEqual(NAMES);
    // Three databases, and no more reads than for those who may pull little.
    const costs = await measure(() => request("GET", "/v2/_catalog?n=1&last=team/b"));
    expect(costs.queries).toBeLessThanOrEqual(3 * 6 + 1);
  });

  test("is shown on the page, with folders", async () => {
    const cookie = { headers: { Authorization: basic("admin") } };
    expect((await request("GET", "/v2/_catalog", cookie)).status).toBe(200);
  });
});

describe("the audit trail", () => {
  test("is one, the newest first, in pages", async () => {
    for (const name of ["team/a", "mirror/a", "other", "team/b", "mirror/b"]) await pushBlob(name, name);
    const seen: string[] = [];
    let last: string | null = "";
    let pages = 0;
    for (; last !== null; pages++) {
      const query: string = last === "" ? "" : `&last=${encodeURIComponent(last)}`;
      const page: { events: { repository: string }[]; next: string | null } = await json(
        `/v2/_berth/audit?action=push-blob&n=2${query}`,
      );
      seen.push(...page.events.map(({ repository }) => repository));
      last = page.next;
    }
    expect(seen).toEqual(["mirror/b", "team/b", "other", "mirror/a", "team/a"]);
    expect(pages).toBe(3);
  });

  test("tells a change of all databases once", async () => {
    await setPolicy("releases", ["**"], ["v*"]);
    const { events } = await json<{ events: { action: string }[] }>("/v2/_berth/audit");
    expect(events.filter(({ action }) => action === "set-policy")).toHaveLength(1);
  });
});

describe("rules", () => {
  const TAGGED = ["team/app", "mirror/app", "other/app"];

  async function expectFixed(): Promise<void> {
    for (const name of TAGGED) {
      await expect(pushImage(name, "v1", "other", [])).rejects.toThrow("answered 409");
    }
  }

  test("hold in every database", async () => {
    await setPolicy("releases", ["**"], ["v*"]);
    for (const name of TAGGED) await pushImage(name, "v1", "config", []);
    await expectFixed();
    expect((await request("DELETE", "/v2/_berth/policies/releases")).status).toBe(204);
    for (const name of TAGGED) await pushImage(name, "v1", "other", []);
  });

  test("come to a database that is new, and go where they have gone", async () => {
    await setPolicy("releases", ["**"], ["v*"]);
    await setQuota("all", { repositories: "**" }, 1000);
    for (const db of [env.DB, env.THIRD_DB]) {
      await db.batch([
        db.prepare("DELETE FROM policies"),
        db.prepare("DELETE FROM quotas"),
        db
          .prepare("INSERT INTO policies (name, rule, updated_at) VALUES ('old', ?1, 0)")
          .bind(JSON.stringify({ kind: "immutable", repositories: ["**"], tags: ["**"], except: [] })),
      ]);
    }
    // Another isolate begins.
    forgetMigrated();
    for (const name of TAGGED) await pushImage(name, "v1", "config", []);
    await expectFixed();
    expect(await env.DB.prepare("SELECT group_concat(name) AS names FROM policies").first("names")).toBe(
      "releases",
    );
    expect(await env.THIRD_DB.prepare("SELECT allowed FROM quotas").first("allowed")).toBe(1000);
    await pushImage("team/app", "w1", "once more", []);
  });

  test("that are the same are written no second time", async () => {
    await setPolicy("releases", ["**"], ["v*"]);
    await setQuota("all", { repositories: "**" }, 1000);
    const before = await env.DB.prepare("SELECT policies_version FROM registry").first();
    forgetMigrated();
    await request("GET", "/v2/");
    expect(await env.DB.prepare("SELECT policies_version FROM registry").first()).toEqual(before);
  });

  test("count what all databases hold, and refuse in each by itself", async () => {
    await setQuota("all", { repositories: "**" }, 10);
    await pushBlob("team/app", "12345678");
    await pushBlob("mirror/app", "1234567");
    expect(await usedOf("all")).toBe(15);
    const location = await startUpload("team/app");
    const refused = await request("PUT", `${location}?digest=${sha256("abc")}`, { body: "abc" });
    expect([refused.status, await codesOf(refused)]).toEqual([403, ["DENIED"]]);
    await pushBlob("mirror/app", "abc");
  });
});

describe("garbage", () => {
  const collect = (query = "") =>
    json<{ collected: string; databases: string[] }>(`/v2/_berth/gc${query}`, {}, "POST");

  test("of each database goes by itself", async () => {
    for (const name of ["team/app", "mirror/app", "other/app"]) await pushBlob(name, "layer");
    for (const db of [env.DB, env.THIRD_DB, env.MAIN_DB])
      await db.prepare("UPDATE repository_blobs SET used_at = 1").run();
    expect(await collect("?database=DB_3")).toMatchObject({
      collected: "DB_3",
      databases: ["DB", "DB_2", "DB_3"],
      outcome: "complete",
      taken: { links: { count: 1 } },
    });
    expect((await getBlob("mirror/app", sha256("layer"))).status).toBe(404);
    for (const name of ["team/app", "other/app"])
      expect((await getBlob(name, sha256("layer"))).status).toBe(200);
    expect((await collect()).collected).toBe("DB");
  });

  test("of one is never what another has", async () => {
    for (const name of ["team/app", "mirror/app", "other/app"])
      await pushImage(name, "v1", "config", ["layer"]);
    setVariables({ ORPHAN_AGE: "2s", UPLOAD_EXPIRY: "1s", DELETED_BYTES_KEPT: "0" });
    for (const database of ["DB", "DB_2", "DB_3"]) {
      const report = await collect(`?database=${database}&force=true`);
      expect(report).toMatchObject({ outcome: "complete", taken: { orphans: { count: 0 } } });
    }
    for (const name of ["team/app", "mirror/app", "other/app"])
      expect(await (await getBlob(name, sha256("layer"))).text()).toBe("layer");
  });

  test("is listed of all", async () => {
    for (const database of ["DB", "DB_2"]) await collect(`?database=${database}`);
    const { runs } = await json<{ runs: { collected: string }[] }>("/v2/_berth/gc");
    expect(runs.map(({ collected }) => collected).sort()).toEqual(["DB", "DB_2"]);
  });

  test("of a database that is not bound is asked for in vain", async () => {
    const refused = await request("POST", "/v2/_berth/gc?database=DB_9");
    expect([refused.status, await codesOf(refused)]).toEqual([400, ["UNSUPPORTED"]]);
  });
});

describe("what goes through everything", () => {
  beforeEach(async () => {
    for (const name of ["team/app", "mirror/app", "other/app"]) await pushImage(name, "v1", name, ["layer"]);
  });

  async function walk(path: string, method: string, query = ""): Promise<{ next: string | null }[]> {
    const pages: { next: string | null }[] = [];
    for (let next: string | null = ""; next !== null; ) {
      const name = method === "GET" ? "last" : "after";
      const from: string =
        next === "" ? query : `?${name}=${encodeURIComponent(next)}${query.replace("?", "&")}`;
      const page = await json<{ next: string | null }>(`/v2/_berth/${path}${from}`, {}, method);
      pages.push(page);
      next = page.next;
    }
    return pages;
  }

  test("usage has the repositories of all databases", async () => {
    const pages = (await walk("usage", "GET", "?n=1")) as unknown as {
      repositories: { repository: string }[];
    }[];
    const names = pages.flatMap(({ repositories }) => repositories.map(({ repository }) => repository));
    expect([...new Set(names)].sort()).toEqual(["mirror/app", "other/app", "team/app"]);
  });

  test("a scrub reads all databases, and heals each in its own", async () => {
    await env.THIRD_DB.prepare("UPDATE blobs SET size = 1").run();
    const pages = (await walk("scrub", "POST")) as unknown as { checked: number; healed: object[] }[];
    expect(pages.flatMap(({ healed }) => healed)).toHaveLength(2);
    expect(pages.reduce((sum, { checked }) => sum + checked, 0)).toBe(9);
  });

  test("the status says how each stands, and all together", async () => {
    const status = await json<{ totals: object; databases: { name: string; totals: object }[] }>(
      "/v2/_berth/status",
    );
    expect(status.totals).toMatchObject({ repositories: 3, manifests: 3, blobs: 6 });
    expect(status.databases.map(({ name }) => name)).toEqual(["DB", "DB_2", "DB_3"]);
    expect(status.databases[2]?.totals).toMatchObject({ repositories: 1, manifests: 1, blobs: 2 });
  });

  test.each([
    "usage?last=DB_9/",
    "usage?last=DB_2/x",
    "scrub?after=DB_2/nothing:1",
    "move-repositories?after=!",
  ])("%s is refused", async (path) => {
    const refused = await request(path.startsWith("usage") ? "GET" : "POST", `/v2/_berth/${path}`);
    expect([refused.status, await codesOf(refused)]).toEqual([400, ["UNSUPPORTED"]]);
  });
});

describe("a registry", () => {
  test("serves nothing before the last database is migrated", async () => {
    await env.THIRD_DB.prepare("UPDATE registry SET schema_version = 1").run();
    forgetMigrated();
    expect((await request("GET", "/v2/")).status).toBe(503);
    expect((await request("GET", "/healthz")).status).toBe(503);
  });
});
