/** The list of repositories: folders, filter, pages, and nothing that the caller may not pull from. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { finishBackground } from "../support/background.ts";
import { Browser, linksOf, type Page, textOfPage } from "../support/browser.ts";
import { pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { pushBlob, request, sha256, textOf } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser } from "../support/users.ts";

/** As rows alone: that is all a list reads. */
async function addRepositories(names: string[]): Promise<void> {
  await env.DB.batch([
    env.DB.prepare(`INSERT INTO repositories (name) SELECT value FROM json_each(?1)`).bind(
      JSON.stringify(names),
    ),
    env.DB.prepare(
      `INSERT INTO manifests (repository_id, digest, media_type, size, content, used_at)
       SELECT repositories.id, 'm', 'x', 2, '{}', 1 FROM repositories JOIN json_each(?1) ON name = value`,
    ).bind(JSON.stringify(names)),
  ]);
}

/** What the list links to. */
function entriesOf(page: Page): string[] {
  const list = /<tbody>(.*)<\/tbody>/s.exec(page.html)?.[1] ?? "";
  return linksOf({ html: list }).map((href) => href.replace(/^\/r\//, "").replace(/^\/\?path=(.*)$/, decode));
}

function decode(_: string, path: string): string {
  return decodeURIComponent(path);
}

/** Follows the pages of a list to its end. */
async function allEntries(browser: Browser, path: string): Promise<string[]> {
  const entries: string[] = [];
  for (let next: string | undefined = path, pages = 0; next !== undefined; pages++) {
    if (pages > 50) throw new Error("the list does not end");
    const page = await browser.get(next);
    entries.push(...entriesOf(page));
    const link = /<a href="([^"]*)" rel="next">/.exec(page.html)?.[1];
    next = link?.replaceAll("&amp;", "&");
  }
  return entries;
}

describe("the list", () => {
  beforeEach(async () => {
    await addRepositories(["app", "team/api", "team/web", "team/deep/er/one", "team-x/app", "teams", "team"]);
  });

  test("has folders, each once, and what lies in them on their own pages", async () => {
    const browser = await Browser.signedIn("admin");
    expect(entriesOf(await browser.get("/"))).toEqual(["app", "team", "team-x/", "team/", "teams"]);
    expect(entriesOf(await browser.get("/?path=team/"))).toEqual(["team/api", "team/deep/", "team/web"]);
    expect(entriesOf(await browser.get("/?path=team/deep/"))).toEqual(["team/deep/er/"]);
    expect(entriesOf(await browser.get("/?path=none/"))).toEqual([]);
  });

  test.each(["x", "/", "team", "TEAM/", "../", "a//", "%00/", "<b>/", `${"a/".repeat(200)}`])(
    "a folder that is none is all: %j",
    async (path) => {
      const browser = await Browser.signedIn("admin");
      const page = await browser.get(`/?${new URLSearchParams({ path })}`);
      expect(page.status).toBe(200);
      expect(page.html).not.toContain("<b>");
    },
  );

  test("is filtered by a part of the name, also within a folder", async () => {
    const browser = await Browser.signedIn("admin");
    expect(entriesOf(await browser.get("/?q=APP"))).toEqual(["app", "team-x/app"]);
    expect(entriesOf(await browser.get("/?q=e&path=team/"))).toEqual(["team/deep/er/one", "team/web"]);
    const page = await browser.get("/?q=%3Cimg+src=x%3E%25_");
    expect(entriesOf(page)).toEqual([]);
    expect(textOfPage(page)).toContain("No repository's name has that part.");
    expect(page.html).not.toContain("<img src=x");
  });

  test("shows a user no more than the catalog does", async () => {
    await addUser("alice", { access: [{ repositories: ["team/**", "app"], actions: ["pull"] }] });
    await addUser("nobody", { access: [] });
    const alice = await Browser.signedIn("alice");
    expect(entriesOf(await alice.get("/"))).toEqual(["app", "team/"]);
    expect(entriesOf(await alice.get("/?q=app"))).toEqual(["app"]);
    expect(entriesOf(await alice.get("/?path=team-x/"))).toEqual([]);
    expect(entriesOf(await (await Browser.signedIn("nobody")).get("/"))).toEqual([]);
  });

  test("shows a visitor what is public", async () => {
    expect(entriesOf(await new Browser().get("/"))).toEqual([]);
    setVariables({ PUBLIC_REPOSITORIES: "team-x/** teams" });
    expect(entriesOf(await new Browser().get("/"))).toEqual(["team-x/", "teams"]);
  });
});

describe("pages", () => {
  const names = Array.from({ length: 60 }, (_, index) => `r${100 + index}/app`);

  test("go through everything, once", async () => {
    await addRepositories([...names, ...names.map((name) => `flat${name.slice(1, 4)}`)]);
    await addUser("alice", { access: [{ repositories: ["r*/app"], actions: ["pull"] }] });
    const folders = names.map((name) => name.replace("app", ""));
    const flat = names.map((name) => `flat${name.slice(1, 4)}`);
    expect(await allEntries(await Browser.signedIn("admin"), "/")).toEqual([...flat, ...folders]);
    expect(await allEntries(await Browser.signedIn("alice"), "/")).toEqual(folders);
    expect(await allEntries(await Browser.signedIn("alice"), "/?q=app")).toEqual(names);
  });

  test("end without the name of a repository that the caller may not know of, and go on", async () => {
    await addRepositories([
      ...Array.from({ length: 10_050 }, (_, index) => `dim/${10_000 + index}`),
      "open/one",
      "open/two",
    ]);
    await addUser("alice", { access: [{ repositories: ["open/**"], actions: ["pull"] }] });
    const alice = await Browser.signedIn("alice");
    const page = await alice.get("/");
    expect(entriesOf(page)).toEqual([]);
    expect(textOfPage(page)).toContain("Go on to the next page.");
    expect(page.html).not.toContain("dim");
    expect(await allEntries(alice, "/")).toEqual(["open/"]);
    expect(await allEntries(alice, "/?q=two")).toEqual(["open/two"]);
  });

  test.each([".", ".x", ".99999999999", "zzz", "%F0%9F%9A%80", "x".repeat(400), "'"])(
    "a cursor that is none does no harm: %j",
    async (after) => {
      await addRepositories(["app"]);
      const page = await (await Browser.signedIn("admin")).get(`/?after=${after}`);
      expect(page.status).toBe(200);
    },
  );
});

describe("in another order", () => {
  const rank = (values: [name: string, bytes: number, pushedAt: number, pulledAt: number][]) =>
    env.DB.batch(
      values.map((row) =>
        env.DB.prepare(
          "UPDATE repositories SET bytes = ?2, pushed_at = ?3, pulled_at = ?4 WHERE name = ?1",
        ).bind(...row),
      ),
    );

  beforeEach(async () => {
    await addRepositories(["app", "team/api", "team/deep/one", "team/web", "other/app"]);
    await rank([
      ["app", 10, 5000, 0],
      ["team/api", 30, 1000, 86_400_000],
      ["team/deep/one", 20, 3000, 0],
      ["team/web", 5, 4000, 172_800_000],
      ["other/app", 40, 2000, 0],
    ]);
  });

  test.each([
    ["size", ["other/app", "team/api", "team/deep/one", "app", "team/web"]],
    ["push", ["app", "team/web", "team/deep/one", "other/app", "team/api"]],
    ["pull", ["team/web", "team/api", "other/app", "team/deep/one", "app"]],
  ])("%s lists repositories of all folders, the most first", async (order, names) => {
    const browser = await Browser.signedIn("admin");
    expect(entriesOf(await browser.get(`/?sort=${order}`))).toEqual(names);
    const team = names.filter((name) => name.startsWith("team/"));
    expect(entriesOf(await browser.get(`/?sort=${order}&path=team/`))).toEqual(team);
    expect(entriesOf(await browser.get(`/?sort=${order}&q=app`))).toEqual(
      names.filter((name) => name.includes("app")),
    );
  });

  test("that there is not, is that of names", async () => {
    const page = await (await Browser.signedIn("admin")).get("/?sort=id%20DESC");
    expect(entriesOf(page)).toEqual(["app", "other/", "team/"]);
  });

  test("a user sees no more than by name", async () => {
    await addUser("alice", { access: [{ repositories: ["team/*"], actions: ["pull"] }] });
    expect(entriesOf(await (await Browser.signedIn("alice")).get("/?sort=size"))).toEqual([
      "team/api",
      "team/web",
    ]);
  });

  test("pages go through everything, once, also where many have the same value", async () => {
    const names = Array.from({ length: 60 }, (_, index) => `r${100 + index}`);
    await addRepositories(names);
    await rank(names.map((name, index) => [name, index % 3, 7, 0]));
    await addUser("alice", { access: [{ repositories: ["r*"], actions: ["pull"] }] });
    for (const order of ["size", "push", "pull"]) {
      const all = await allEntries(await Browser.signedIn("admin"), `/?sort=${order}`);
      expect([all.length, new Set(all).size]).toEqual([65, 65]);
      const hers = await allEntries(await Browser.signedIn("alice"), `/?sort=${order}`);
      expect([hers.length, new Set(hers).size]).toEqual([60, 60]);
    }
  });

  test("one who may see little goes on from what may not be seen", async () => {
    await addRepositories(Array.from({ length: 10_050 }, (_, index) => `dim/${10_000 + index}`));
    await addUser("alice", { access: [{ repositories: ["app"], actions: ["pull"] }] });
    await env.DB.prepare("UPDATE repositories SET bytes = 50 WHERE name LIKE 'dim/%'").run();
    const alice = await Browser.signedIn("alice");
    expect(entriesOf(await alice.get("/?sort=size"))).toEqual([]);
    expect(await allEntries(alice, "/?sort=size")).toEqual(["app"]);
  });

  test.each([".", "1.DB", "1.DB_9.1", "1.DB.x", "'", `${"9".repeat(16)}.DB.1`])(
    "a cursor that is none begins anew: %j",
    async (after) => {
      const page = await (await Browser.signedIn("admin")).get(`/?sort=size&after=${after}`);
      expect(entriesOf(page)).toHaveLength(5);
    },
  );

  test("sizes and times follow what is pushed, pulled and deleted", async () => {
    const valuesOf = () =>
      env.DB.prepare("SELECT bytes, pushed_at, pulled_at FROM repositories WHERE name = 'new/app'").first<{
        bytes: number;
        pushed_at: number;
        pulled_at: number;
      }>();
    const before = Date.now();
    await pushImage("new/app", "v1", "config", ["x".repeat(500), "y".repeat(300)]);
    expect(await valuesOf()).toEqual({ bytes: 806, pushed_at: expect.any(Number), pulled_at: 0 });
    expect((await valuesOf())?.pushed_at).toBeGreaterThanOrEqual(before);
    await textOf(await request("GET", "/v2/new/app/manifests/v1"));
    await finishBackground();
    expect((await valuesOf())?.pulled_at).toBeGreaterThanOrEqual(before);
    await pushImage("new/app", "v1", "config", ["x".repeat(500)]);
    expect((await valuesOf())?.bytes).toBe(806);
    await pushBlob("new/app", "z".repeat(200));
    expect((await valuesOf())?.bytes).toBe(1006);
    expect((await request("DELETE", `/v2/new/app/blobs/${sha256("z".repeat(200))}`)).status).toBe(202);
    expect((await valuesOf())?.bytes).toBe(806);
    await env.DB.prepare("UPDATE blobs SET size = 400 WHERE digest = ?1")
      .bind(sha256("y".repeat(300)))
      .run();
    expect((await valuesOf())?.bytes).toBe(906);
  });
});

describe("of a repository", () => {
  test("it shows tags, size, what is shared, who pushed last, and when it was pulled", async () => {
    await addUser("alice", { access: [{ repositories: ["**"], actions: ["pull", "push"] }] });
    await pushImage("app", "v1", "config", ["x".repeat(5000)]);
    await pushImage("app", "v2", "config", ["x".repeat(5000)]);
    await pushImage("other", "v1", "config", ["x".repeat(5000), "y".repeat(3000)]);
    await textOf(await request("GET", "/v2/app/manifests/v2"));
    await finishBackground();
    const text = textOfPage(await (await Browser.signedIn("admin")).get("/"));
    expect(text).toMatch(/app 2 5 kB .*5 kB (?:now|\d+ seconds? ago) by admin today/);
    expect(text).toMatch(/other 1 8 kB .*5 kB (?:now|\d+ seconds? ago) by admin none noted/);
  });

  test("what is many is said to be more, and costs no more", async () => {
    await pushImage("app", "v1", "config", []);
    const fill = (sql: string) => env.DB.prepare(sql).run();
    const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)`;
    await fill(`INSERT INTO tags (repository_id, name, manifest_id, updated_at)
      ${numbers} SELECT manifests.repository_id, 't' || i, manifests.id, 1 FROM n JOIN manifests`);
    await fill(
      `INSERT INTO blobs (digest, object_key, size, used_at) ${numbers} SELECT 'b' || i, 'k' || i, 10, 1 FROM n`,
    );
    await fill(`INSERT INTO repository_blobs (repository_id, blob_id, used_at)
      SELECT repositories.id, blobs.id, 1 FROM repositories JOIN blobs WHERE blobs.digest LIKE 'b%'`);
    const browser = await Browser.signedIn("admin");
    let page: Page | null = null;
    const costs = await measure(async () => {
      page = await browser.get("/");
    });
    expect(textOfPage(page as unknown as Page)).toMatch(/more than 100 20 kB more than/);
    expect(costs.rowsRead).toBeLessThan(1500);
  });
});

test("a page of a large registry costs as much as one of a small", async () => {
  const browser = await Browser.signedIn("admin");
  await addRepositories(Array.from({ length: 30 }, (_, index) => `a${100 + index}`));
  await browser.get("/");
  const small = await measure(() => browser.get("/"));
  await addRepositories(Array.from({ length: 20_000 }, (_, index) => `team/r${index}`));
  const large = await measure(() => browser.get("/"));
  expect(large).toEqual(small);
  expect(small.queries).toBe(3);
  expect(small.rowsRead).toBeLessThan(300);
  for (const order of ["size", "push", "pull"]) {
    const ranked = await measure(() => browser.get(`/?sort=${order}`));
    expect([ranked.queries, ranked.rowsRead < 300]).toEqual([3, true]);
  }
  const search = await measure(() => browser.get("/?q=none"));
  expect(search.queries).toBeLessThanOrEqual(7);
  expect(search.rowsRead).toBeLessThanOrEqual(20_020);
});

test("the pages are read-only for the registry's own clients", async () => {
  expect((await request("POST", "/", { body: "x" })).status).toBe(404);
});
