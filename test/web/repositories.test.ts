/** The list of repositories: folders, filter, pages, and nothing that the caller may not pull from. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { finishBackground } from "../support/background.ts";
import { Browser, linksOf, type Page, textOfPage } from "../support/browser.ts";
import { pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { request, textOf } from "../support/registry.ts";
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
    expect(textOfPage(page as unknown as Page)).toMatch(/more than 100 more than 3 kB/);
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
  const search = await measure(() => browser.get("/?q=none"));
  expect(search.queries).toBeLessThanOrEqual(7);
  expect(search.rowsRead).toBeLessThanOrEqual(20_020);
});

test("the pages are read-only for the registry's own clients", async () => {
  expect((await request("POST", "/", { body: "x" })).status).toBe(404);
});
