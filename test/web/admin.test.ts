/** Tokens, rules, usage and the audit trail: for those who may, with nothing that the API would not do. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { csvOf } from "../../src/web/csv.ts";
import { treemap } from "../../src/web/treemap.ts";
import { collected } from "../gc/support.ts";
import { Browser, linksOf, textOfPage } from "../support/browser.ts";
import { eventsOf, storedEvents } from "../support/events.ts";
import { pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { request } from "../support/registry.ts";
import { addUser, basic } from "../support/users.ts";
import { XSS } from "./images.ts";

/** The value of a form's token on a page. */
function formOf(html: string): string {
  return /name="form" value="([^"]+)"/.exec(html)?.[1] ?? "";
}

describe("users", () => {
  test("are listed with what they may do, a page at a time, and not what is kept beside them", async () => {
    const access = [{ repositories: ["team/**", "app"], actions: ["pull", "push"] }];
    for (let index = 10; index < 70; index++) await addUser(`robot${index}`, { access });
    await addUser("alice", { access, admin: true });
    await env.USERS.put("broken", "no entry");
    for (let index = 0; index < 120; index++) await env.USERS.put(`rule/${index}`, "{}");
    const admin = await Browser.signedIn("admin");
    const names = new Set<string>();
    let texts = "";
    for (let path: string | undefined = "/users"; path !== undefined; ) {
      const page = await admin.get(path);
      expect(page.status).toBe(200);
      texts += textOfPage(page);
      for (const link of linksOf(page)) {
        const owner = new URL(link, "https://registry.test").searchParams.get("owner");
        if (link.startsWith("/tokens?") && owner !== null) names.add(owner);
      }
      path = linksOf(page).find((link) => link.startsWith("/users?"));
    }
    expect([...names].sort()).toEqual(
      ["admin", "alice", "broken", ...Array.from({ length: 60 }, (_, index) => `robot${index + 10}`)].sort(),
    );
    expect(texts).toContain("alice pull, push: team/** app yes");
    expect(texts).toContain("robot10 pull, push: team/** app no");
    expect(texts).toContain("broken nothing: the entry is malformed no");
  });

  test("are for administrators alone, and no cursor breaks the page", async () => {
    await addUser("alice", { access: [] });
    expect((await (await Browser.signedIn("alice")).get("/users")).status).toBe(403);
    const admin = await Browser.signedIn("admin");
    for (const after of ["x", "%00", "%22%3E%3Cscript%3E", "a".repeat(5000)])
      expect((await admin.get(`/users?after=${after}`)).status).toBe(200);
  });
});

describe("tokens", () => {
  const WANTED = { name: "ci", repositories: "team/** app", "may-pull": "on", days: "7" };

  test("are made, shown once, used, and revoked", async () => {
    await addUser("alice", { access: [{ repositories: ["**"], actions: ["pull", "push"] }] });
    const alice = await Browser.signedIn("alice");
    const page = await alice.submit("/tokens", "/tokens", WANTED);
    expect(page.status).toBe(201);
    const [token = ""] = /berth_[0-9A-Za-z]{49}/.exec(page.html) ?? [];
    const headers = { Authorization: basic("alice", token) };
    expect((await request("GET", "/v2/", { headers })).status).toBe(200);
    const again = await alice.get("/tokens");
    expect(again.html).not.toContain(token.slice(0, 20));
    expect(textOfPage(again)).toMatch(/ci pull: team\/\*\* app in 7 days (never|now)/);
    const revoked = await alice.submit("/tokens", "/tokens/revoke", { name: "ci" });
    expect(revoked.status).toBe(303);
    expect((await request("GET", "/v2/", { headers })).status).toBe(401);
    expect((await storedEvents("create-token")).map(({ actor, reference }) => [actor, reference])).toEqual([
      ["alice", "alice/ci"],
    ]);
    expect(await storedEvents("revoke-token")).toHaveLength(1);
  });

  test.each([
    { name: "" },
    { name: XSS },
    { repositories: "" },
    { repositories: "A/B" },
    { days: "0" },
    { days: "x" },
    { days: "1e9" },
    { "may-pull": undefined },
  ])("are refused that make no sense: %j", async (wrong) => {
    const browser = await Browser.signedIn("admin");
    const fields = Object.entries({ ...WANTED, ...wrong }).filter(([, value]) => value !== undefined);
    const page = await browser.submit(
      "/tokens",
      "/tokens",
      Object.fromEntries(fields) as Record<string, string>,
    );
    expect(page.status).toBe(400);
    expect(page.html).not.toContain("<script>alert");
    expect(await storedEvents("create-token")).toEqual([]);
  });

  test("of others are an administrator's to see, and a name is taken once", async () => {
    await addUser("alice", { access: [] });
    const [alice, admin] = [await Browser.signedIn("alice"), await Browser.signedIn("admin")];
    expect((await alice.get("/tokens?owner=admin")).status).toBe(403);
    expect((await admin.get("/tokens?owner=nobody")).status).toBe(404);
    const form = formOf((await admin.get("/tokens?owner=alice")).html);
    expect((await admin.post("/tokens", { ...WANTED, form, owner: "alice" })).status).toBe(201);
    expect((await admin.post("/tokens", { ...WANTED, form, owner: "alice" })).status).toBe(409);
    expect(textOfPage(await alice.get("/tokens"))).toContain("ci pull");
  });

  test("make no others", async () => {
    const admin = await Browser.signedIn("admin");
    const made = await admin.submit("/tokens", "/tokens", WANTED);
    const machine = await Browser.signedIn("admin", /berth_[0-9A-Za-z]{49}/.exec(made.html)?.[0]);
    expect((await machine.get("/tokens")).status).toBe(403);
    expect(linksOf(await machine.get("/"))).not.toContain("/tokens");
    expect((await machine.get("/audit")).status).toBe(403);
  });
});

describe("rules", () => {
  test("are set, hold, and are removed, each with its event", async () => {
    await pushImage("app", "v1", "config", []);
    const browser = await Browser.signedIn("admin");
    const events = await eventsOf(async () => {
      const policy = { name: "keep", repositories: "app team/**", tags: "v*", except: "" };
      expect((await browser.submit("/rules", "/rules/policy", policy)).status).toBe(303);
      expect((await request("DELETE", "/v2/app/manifests/v1")).status).toBe(409);
      const quota = { name: "small", kind: "repositories", pattern: "app", gigabytes: "0.5" };
      expect((await browser.submit("/rules", "/rules/quota", quota)).status).toBe(303);
      const text = textOfPage(await browser.get("/rules"));
      expect(text).toContain("keep app team/** v*");
      expect(text).toMatch(/small app \d+ B 500 MB/);
      const form = formOf((await browser.get("/rules")).html);
      for (const [kind, name] of [
        ["policy", "keep"],
        ["quota", "small"],
      ] as const)
        expect((await browser.post("/rules/remove", { form, kind, name })).status).toBe(303);
      expect((await browser.post("/rules/remove", { form, kind: "policy", name: "keep" })).status).toBe(404);
    });
    expect(events.map(({ action }) => action).sort()).toEqual([
      ...["remove-policy", "remove-quota", "set-policy", "set-quota"],
    ]);
    expect((await request("DELETE", "/v2/app/manifests/v1")).status).toBe(202);
  });

  test.each([
    ["policy", { name: "a b", repositories: "app", tags: "v*", except: "" }],
    ["policy", { name: "keep", repositories: "", tags: "v*", except: "" }],
    ["policy", { name: "keep", repositories: "app", tags: XSS, except: "" }],
    ["quota", { name: "small", kind: "repositories", pattern: "app", gigabytes: "" }],
    ["quota", { name: "small", kind: "repositories", pattern: "A", gigabytes: "1" }],
    ["quota", { name: "small", kind: "owner", pattern: "", gigabytes: "1" }],
    ["quota", { name: "small", kind: "owner", pattern: "alice", gigabytes: "-1" }],
  ])("that make no sense are refused: %s %j", async (kind, fields) => {
    const page = await (await Browser.signedIn("admin")).submit("/rules", `/rules/${kind}`, fields);
    expect(page.status).toBe(400);
    expect(page.html).not.toContain("<script>alert");
  });
});

describe("usage", () => {
  test("shows each repository's share", async () => {
    await pushImage("large", "v1", "config", ["x".repeat(5000)]);
    await pushImage("small", "v1", "config", ["y".repeat(1000)]);
    const browser = await Browser.signedIn("admin");
    const page = await browser.get("/usage");
    expect(textOfPage(page)).toMatch(/large admin 5\.\d kB 2 1 small admin 1\.\d kB 2 1/);
    expect(page.html.match(/<rect x="[\d.]+" y="[\d.]+" width/g)?.length).toBeGreaterThanOrEqual(2);
    expect((await measure(() => browser.get("/usage"))).queries).toBe(3);
    for (const last of ["x", "[1]", "[1,2,3,4]", '[1,2,3,"x"]', "null"])
      expect((await browser.get(`/usage?last=${encodeURIComponent(last)}`)).status).toBe(200);
  });

  test("shows how it has grown, by the days on which garbage was collected", async () => {
    const browser = await Browser.signedIn("admin");
    await pushImage("app", "v1", "config", ["x".repeat(5000)]);
    await collected();
    await collected();
    expect((await browser.get("/usage")).html).not.toContain("<polyline");
    const today = Math.floor(Date.now() / 86_400_000);
    const day = env.DB.prepare(
      "INSERT INTO usage_days (day, repositories, manifests, blobs, bytes) VALUES (?1, 1, 2, 3, ?2)",
    );
    await env.DB.batch([day.bind(today - 2, 1000), day.bind(today - 1, 2000), day.bind(today - 5000, 1)]);
    // What is as old as that goes, and the day is that of its last collection.
    await pushImage("app", "v2", "config", ["y".repeat(5000)]);
    await collected();
    const page = await browser.get("/usage");
    expect(page.html.match(/<polyline points="0,[\d.]+ 500,[\d.]+ 1000,24"/)).not.toBeNull();
    expect(textOfPage(page)).toMatch(/1[01]\.\d kB 1 2 3 \d+ \w+ \d+ 2 kB 1 2 3 \d+ \w+ \d+ 1 kB 1 2 3/);
    expect((await env.DB.prepare("SELECT count(*) AS days FROM usage_days").first())?.days).toBe(3);
  });

  test("areas fill the map, in proportion, and none lies over another", () => {
    const sizes = [50, 30, 10, 5, 5];
    const areas = treemap(sizes, { x: 0, y: 0, width: 200, height: 100 });
    for (const [index, { width, height }] of areas.entries())
      expect((width * height) / 20_000).toBeCloseTo((sizes[index] ?? 0) / 100);
    for (const one of areas)
      for (const other of areas)
        if (one !== other) {
          const apart =
            one.x + one.width <= other.x + 1e-9 ||
            other.x + other.width <= one.x + 1e-9 ||
            one.y + one.height <= other.y + 1e-9 ||
            other.y + other.height <= one.y + 1e-9;
          expect(apart).toBe(true);
        }
    expect(treemap([], { x: 0, y: 0, width: 1, height: 1 })).toEqual([]);
  });
});

describe("the audit trail", () => {
  test("is shown, filtered, and taken along", async () => {
    await pushImage("app", "v1", "config", []);
    await pushImage("other", "v1", "config", []);
    const browser = await Browser.signedIn("admin");
    expect(textOfPage(await browser.get("/audit"))).toContain("push-manifest");
    const filtered = textOfPage(await browser.get("/audit?repository=app&action=push-manifest"));
    expect(filtered).toContain("push-manifest app");
    expect(filtered).not.toMatch(/other|push-blob/);
    expect(textOfPage(await browser.get("/audit?actor=nobody"))).toContain("There is no such event");
    const table = await browser.get("/audit.csv?repository=app");
    expect(table.headers.get("Content-Disposition")).toContain("attachment");
    const lines = table.html.trim().split("\r\n");
    expect(lines).toHaveLength(
      1 + (await storedEvents()).filter(({ repository }) => repository === "app").length,
    );
    expect(lines[0]).toContain('"at","actor"');
  });

  test("goes on, page by page, to its end", async () => {
    for (let index = 0; index < 30; index++) await pushImage("app", `v${index}`, "config", [], { index });
    const browser = await Browser.signedIn("admin");
    let seen = 0;
    for (let path: string | undefined = "/audit"; path !== undefined; ) {
      const page = await browser.get(path);
      seen += page.html.match(/<tr><th scope="row">/g)?.length ?? 0;
      path = /<a href="([^"]*)" rel="next">/.exec(page.html)?.[1]?.replaceAll("&amp;", "&");
    }
    expect(seen).toBe((await storedEvents()).length);
    expect((await browser.get("/audit?last=%3Cb%3E")).status).toBe(200);
  });

  test("is of some days, on the page and in the table, and of all where none is named", async () => {
    const add = env.DB.prepare(
      "INSERT INTO audit_events (id, at, action, outcome, reference) VALUES (?1, ?2, 'scrub', 'done', ?3)",
    );
    const at = (time: string) => Date.parse(`2026-03-${time}Z`);
    const times = ["01T23:59:59.999", "02T00:00:00", "02T12:00:00", "03T23:59:59.999", "04T00:00:00"];
    await env.DB.batch(times.map((time) => add.bind(time, at(time), `at-${time.slice(0, 5)}`)));
    const browser = await Browser.signedIn("admin");
    const shown = async (query: string, place = "/audit") =>
      (await browser.get(`${place}?${query}`)).html.match(/at-0\dT\d\d/g)?.reverse() ?? [];
    for (const place of ["/audit", "/audit.csv"]) {
      expect(await shown("from=2026-03-02&until=2026-03-03", place)).toEqual([
        "at-02T00",
        "at-02T12",
        "at-03T23",
      ]);
      expect(await shown("until=2026-03-01", place)).toEqual(["at-01T23"]);
      expect(await shown("from=2026-03-04", place)).toEqual(["at-04T00"]);
      expect(await shown("from=2026-03-03&until=2026-03-02", place)).toEqual([]);
      for (const none of ["from=x", "until=2026-13-77", "from=%3Cb%3E&until=1"])
        expect([none, (await shown(none, place)).length]).toEqual([none, 5]);
    }
    const page = await browser.get("/audit?from=2026-03-02&until=2026-03-03");
    expect(page.html).toContain('name="from" type="date" value="2026-03-02"');
    expect(linksOf(page)).toContain("/audit.csv?from=2026-03-02&until=2026-03-03");
    const api = await request("GET", `/v2/_berth/audit?until=${at("02T12:00:00")}&action=scrub`);
    expect((await api.json<{ events: unknown[] }>()).events).toHaveLength(2);
  });

  test("is no formula to a spreadsheet", () => {
    expect(csvOf([["=1+1", '"', "a,b", "-x", "plain"]])).toBe(`"'=1+1","""","a,b","'-x","plain"\r\n`);
  });
});

test("all of it is an administrator's", async () => {
  await addUser("alice", { access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }] });
  const alice = await Browser.signedIn("alice");
  for (const path of ["/usage", "/rules", "/audit", "/audit.csv", "/collection"]) {
    expect([path, (await alice.get(path)).status]).toEqual([path, 403]);
    expect([path, (await new Browser().get(path)).status]).toEqual([path, 303]);
  }
  const form = formOf((await alice.get("/")).html);
  for (const path of ["/rules/policy", "/rules/quota", "/rules/remove", "/collection"])
    expect([path, (await alice.post(path, { form })).status]).toEqual([path, 403]);
  expect(linksOf(await alice.get("/")).filter((href) => /usage|rules|audit|collection/.test(href))).toEqual(
    [],
  );
  expect(linksOf(await alice.get("/"))).toContain("/tokens");
});
