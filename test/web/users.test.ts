/** Users, added and changed in a browser: with what the command refuses, its events, and no change over another one. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { isUserName } from "../../src/auth/user-entry.ts";
import { Browser, linksOf, type Page, textOfPage } from "../support/browser.ts";
import { storedEvents } from "../support/events.ts";
import { allHappened, breakAll, breakNext, healAll, interleave } from "../support/faults.ts";
import { pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { request } from "../support/registry.ts";
import { addUser, basic } from "../support/users.ts";
import { XSS } from "./images.ts";

const TEAM = { "repositories-0": "team/** app", "pull-0": "on", "push-0": "on" };
const PASSWORD = { password: "a good password", again: "a good password" };

async function logIn(user: string, password: string): Promise<number> {
  return (await request("GET", "/v2/", { headers: { Authorization: basic(user, password) } })).status;
}

async function rightsOf(name: string): Promise<unknown> {
  const { hash, ...rights } = JSON.parse((await env.USERS.get(name)) ?? "{}");
  return rights;
}

function change(
  browser: Browser,
  name: string,
  form: string,
  fields: Record<string, string> = {},
): Promise<Page> {
  return browser.submit(`/user/${name}`, `/user/${name}/${form}`, fields);
}

/** What a form of the page brings along, as it stood there. */
async function fieldsOf(browser: Browser, path: string): Promise<Record<string, string>> {
  const { html } = await browser.get(path);
  const [, form = "", version = ""] =
    /name="form" value="([^"]+)"\/><input type="hidden" name="version" value="([^"]*)"/.exec(html) ?? [];
  return { form, version };
}

describe("a user", () => {
  test("is added with a password and rights, and may do that", async () => {
    await pushImage("team/x", "v1", "config", []);
    await pushImage("other", "v1", "config", []);
    const admin = await Browser.signedIn("admin");
    const page = await admin.submit("/add-user", "/users", { name: "alice", ...PASSWORD, ...TEAM });
    expect([page.status, textOfPage(page)]).toEqual([201, expect.stringContaining("The user is added.")]);
    expect(page.html).not.toContain(PASSWORD.password);
    expect(await rightsOf("alice")).toEqual({
      access: [{ repositories: ["team/**", "app"], actions: ["pull", "push"] }],
      admin: false,
    });
    const headers = { Authorization: basic("alice", PASSWORD.password) };
    expect((await request("GET", "/v2/team/x/tags/list", { headers })).status).toBe(200);
    expect((await request("GET", "/v2/other/tags/list", { headers })).status).toBe(403);
    const [event, ...others] = await storedEvents("add-user");
    expect(others).toEqual([]);
    expect(event).toMatchObject({ actor: "admin", credential: "password", reference: "alice" });
    expect(JSON.parse(event?.detail ?? "")).toEqual(await rightsOf("alice"));
    expect(JSON.stringify(await storedEvents())).not.toMatch(/\$2|good password/);
  });

  test("gets a password that is made, and shown once", async () => {
    const admin = await Browser.signedIn("admin");
    const page = await admin.submit("/add-user", "/users", { name: "alice", ...TEAM });
    const [, password = ""] = /<code>([\w-]{20})<\/code>/.exec(page.html) ?? [];
    expect(await logIn("alice", password)).toBe(200);
    expect((await admin.get("/user/alice")).html).not.toContain(password);
    const other = await change(admin, "alice", "password");
    const [, next = ""] = /<code>([\w-]{20})<\/code>/.exec(other.html) ?? [];
    expect([other.status, await logIn("alice", password), await logIn("alice", next)]).toEqual([
      201, 401, 200,
    ]);
    expect(await storedEvents("change-password")).toMatchObject([
      { actor: "admin", reference: "alice", detail: null },
    ]);
  });

  test.each([
    { name: "" },
    { name: "-x" },
    { name: "a b" },
    { name: XSS },
    { name: "token/x" },
    { password: "short", again: "short" },
    { password: "x".repeat(73), again: "x".repeat(73) },
    { again: "another one" },
    { "repositories-0": "A/B" },
    { "repositories-1": XSS, "pull-1": "on" },
    { "repositories-1": "more/*" },
  ])("is not added where something makes no sense: %j", async (wrong) => {
    const admin = await Browser.signedIn("admin");
    const fields = { name: "alice", ...PASSWORD, ...TEAM, ...wrong };
    const page = await admin.submit("/add-user", "/users", fields as Record<string, string>);
    expect([page.status, page.html.match(/<script/g)?.length]).toEqual([400, 1]);
    expect(page.html).not.toContain(PASSWORD.password);
    expect((await env.USERS.list()).keys.map(({ name }) => name).filter(isUserName)).toEqual(["admin"]);
    expect(await storedEvents("add-user")).toEqual([]);
  });

  test("that is there is not replaced", async () => {
    await addUser("alice", { access: [] });
    const before = await env.USERS.get("alice");
    const page = await (await Browser.signedIn("admin")).submit("/add-user", "/users", {
      name: "alice",
      ...TEAM,
    });
    expect([page.status, await env.USERS.get("alice")]).toEqual([409, before]);
  });

  test("has other rights from now on, and its sessions and tokens end", async () => {
    await addUser("alice", { access: [{ repositories: ["**"], actions: ["pull"] }] });
    const [admin, alice] = [await Browser.signedIn("admin"), await Browser.signedIn("alice")];
    const fields = { ...TEAM, "repositories-3": "more", "delete-3": "on" };
    const page = await change(admin, "alice", "rights", fields);
    expect([page.status, textOfPage(page)]).toEqual([200, expect.stringContaining("The rights are set.")]);
    expect(await rightsOf("alice")).toEqual({
      access: [
        { repositories: ["team/**", "app"], actions: ["pull", "push"] },
        { repositories: ["more"], actions: ["delete"] },
      ],
      admin: false,
    });
    expect(await logIn("alice", "secret")).toBe(200);
    expect((await alice.get("/tokens")).status).toBe(303);
    await change(admin, "alice", "rights", { admin: "on" });
    expect(await rightsOf("alice")).toEqual({ access: [], admin: true });
    expect(await storedEvents("set-rights")).toHaveLength(2);
  });

  test("is removed once its name has been typed, and its tokens end", async () => {
    await addUser("alice", { access: [{ repositories: ["**"], actions: ["pull"] }] });
    const admin = await Browser.signedIn("admin");
    const body = JSON.stringify({
      ...{
        name: "ci",
        access: [{ repositories: ["**"], actions: ["pull"] }],
        expiresIn: 3600,
        owner: "alice",
      },
    });
    const { token } = await (await request("POST", "/v2/_berth/tokens", { body })).json<{ token: string }>();
    expect(await logIn("alice", token)).toBe(200);
    expect((await change(admin, "alice", "remove", { typed: "alic" })).status).toBe(400);
    const page = await change(admin, "alice", "remove", { typed: "alice" });
    expect([page.status, page.headers.get("Location")]).toEqual([303, "/users"]);
    expect([await env.USERS.get("alice"), (await admin.get("/user/alice")).status]).toEqual([null, 404]);
    await addUser("alice", { access: [{ repositories: ["**"], actions: ["pull"] }] });
    expect(await logIn("alice", token)).toBe(401);
    expect(await storedEvents("remove-user")).toMatchObject([{ reference: "alice" }]);
  });

  test("whose entry is malformed can only be removed", async () => {
    await env.USERS.put("broken", "no entry");
    const admin = await Browser.signedIn("admin");
    const page = await admin.get("/user/broken");
    expect(textOfPage(page)).toContain("is malformed");
    expect(page.html).not.toContain("/user/broken/rights");
    expect((await change(admin, "broken", "remove", { typed: "broken" })).status).toBe(303);
  });

  test("of all rights keeps them where nothing else is set", async () => {
    await addUser("root");
    const admin = await Browser.signedIn("admin");
    const fields = { "repositories-0": "**", "pull-0": "on", "push-0": "on", "delete-0": "on", admin: "on" };
    expect(linksOf(await admin.get("/users"))).toContain("/user/root");
    expect((await change(admin, "root", "rights", fields)).status).toBe(200);
    expect(await rightsOf("root")).toEqual({
      access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }],
      admin: true,
    });
  });

  test("has all its sessions ended by an administrator", async () => {
    await addUser("alice", { access: [] });
    const [admin, alice] = [await Browser.signedIn("admin"), await Browser.signedIn("alice")];
    expect((await change(admin, "alice", "sessions")).status).toBe(200);
    expect((await alice.get("/tokens")).status).toBe(303);
  });
});

describe("an administrator", () => {
  test("cannot lock itself out, but may change its own password", async () => {
    const admin = await Browser.signedIn("admin");
    const { html } = await admin.get("/user/admin");
    for (const form of ["rights", "remove"]) expect(html).not.toContain(`/user/admin/${form}`);
    const fields = await fieldsOf(admin, "/user/admin");
    for (const form of ["rights", "remove"])
      expect((await admin.post(`/user/admin/${form}`, { ...fields, typed: "admin" })).status).toBe(409);
    expect((await change(admin, "admin", "password", PASSWORD)).status).toBe(200);
    expect((await admin.get("/users")).status).toBe(303);
    expect(await logIn("admin", PASSWORD.password)).toBe(200);
  });

  test("gives no more than it has, and sets no password of who has more", async () => {
    await addUser("lead", {
      access: [{ repositories: ["team/**"], actions: ["pull", "push"] }],
      admin: true,
    });
    const all = [{ repositories: ["**"], actions: ["pull"] }];
    await addUser("more", { access: all });
    await addUser("less", { access: [{ repositories: ["team/app"], actions: ["pull"] }] });
    const lead = await Browser.signedIn("lead");
    const give = (fields: Record<string, string>) => change(lead, "less", "rights", fields);
    expect((await give({ "repositories-0": "team/*", "pull-0": "on", "push-0": "on" })).status).toBe(200);
    for (const fields of [
      { "repositories-0": "team/*", "delete-0": "on" },
      { "repositories-0": "**", "pull-0": "on" },
      { "repositories-0": "team*", "pull-0": "on" },
    ])
      expect([fields, (await give(fields as Record<string, string>)).status]).toEqual([fields, 403]);
    const added = await lead.submit("/add-user", "/users", {
      name: "new",
      "repositories-0": "**",
      "pull-0": "on",
    });
    expect([added.status, await env.USERS.get("new")]).toEqual([403, null]);
    for (const name of ["more", "admin"])
      expect([name, (await change(lead, name, "password", PASSWORD)).status]).toEqual([name, 403]);
    expect((await change(lead, "less", "password", PASSWORD)).status).toBe(200);
    // What somebody has already may stay.
    const kept = { "repositories-0": "**", "pull-0": "on", "repositories-1": "team/x", "push-1": "on" };
    expect((await change(lead, "more", "rights", kept)).status).toBe(200);
    expect(await rightsOf("more")).toMatchObject({ access: [...all, { repositories: ["team/x"] }] });
  });

  test("alone sees and sends any of it", async () => {
    await addUser("alice", { access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }] });
    const [alice, nobody] = [await Browser.signedIn("alice"), new Browser()];
    const form = /name="form" value="([^"]+)"/.exec((await alice.get("/")).html)?.[1] ?? "";
    for (const path of ["/users", "/add-user", "/user/admin", "/user/nobody"]) {
      expect([path, (await alice.get(path)).status]).toEqual([path, 403]);
      expect([path, (await nobody.get(path)).status]).toEqual([path, 303]);
    }
    const posts = [
      "/users",
      ...["rights", "password", "sessions", "remove"].map((end) => `/user/alice/${end}`),
    ];
    for (const path of posts) {
      expect([path, (await alice.post(path, { form, admin: "on" })).status]).toEqual([path, 403]);
      expect([path, (await nobody.post(path, {})).status]).toEqual([path, 303]);
      const admin = await Browser.signedIn("admin");
      expect([path, (await admin.post(path, { typed: "alice" })).status]).toEqual([path, 403]);
    }
    expect(await rightsOf("alice")).not.toHaveProperty("admin");
  });
});

describe("of two changes of one user", () => {
  test("that were read alike the second is refused, and the first stands", async () => {
    await addUser("alice", { access: [] });
    const [one, other] = [await Browser.signedIn("admin"), await Browser.signedIn("admin")];
    const [first, second] = [await fieldsOf(one, "/user/alice"), await fieldsOf(other, "/user/alice")];
    expect((await one.post("/user/alice/rights", { ...first, ...TEAM })).status).toBe(200);
    for (const [form, fields] of [
      ["rights", { admin: "on" }],
      ["password", PASSWORD],
      ["remove", { typed: "alice" }],
    ] as const) {
      const page = await other.post(`/user/alice/${form}`, { ...second, ...fields } as Record<
        string,
        string
      >);
      expect([form, page.status, textOfPage(page).includes("load it again")]).toEqual([form, 409, true]);
    }
    expect(await rightsOf("alice")).toMatchObject({ access: [{ actions: ["pull", "push"] }], admin: false });
    expect(await storedEvents("change-password")).toEqual([]);
    // Loaded anew, it goes on.
    expect((await change(other, "alice", "rights", { admin: "on" })).status).toBe(200);
  });

  test("at the same moment the second is refused, also where KV shows what was before", async () => {
    await addUser("alice", { access: [] });
    const before = (await env.USERS.get("alice")) ?? "";
    const [one, other] = [await Browser.signedIn("admin"), await Browser.signedIn("admin")];
    const [first, second] = [await fieldsOf(one, "/user/alice"), await fieldsOf(other, "/user/alice")];
    // The other one is through between what this one has read, and its claim.
    interleave("DB.batch", () => other.post("/user/alice/rights", { ...second, admin: "on" }));
    expect((await one.post("/user/alice/rights", { ...first, ...TEAM })).status).toBe(409);
    expect(allHappened()).toBe(true);
    expect(await rightsOf("alice")).toEqual({ access: [], admin: true });
    await env.USERS.put("alice", before);
    expect((await change(one, "alice", "rights", TEAM)).status).toBe(409);
    // Three minutes later KV is right.
    await env.DB.prepare("UPDATE user_changes SET changed_at = changed_at - 200000").run();
    expect((await change(one, "alice", "rights", TEAM)).status).toBe(200);
  });

  test("the one by the command line counts as soon as its event is written", async () => {
    await addUser("alice", { access: [] });
    const admin = await Browser.signedIn("admin");
    const event = env.DB.prepare(
      "INSERT INTO audit_events (id, at, credential, action, outcome, reference) VALUES (?1, 1, 'command line', ?2, 'done', ?3)",
    );
    await event.bind("1", "rotate-key", null).run();
    await event.bind("2", "change-password", "alice").run();
    await event.bind("3", "change-password", "alice").run();
    expect((await change(admin, "alice", "rights", TEAM)).status).toBe(409);
    await addUser("bob", { access: [] });
    expect((await change(admin, "bob", "rights", TEAM)).status).toBe(200);
  });

  test("neither is made where the trail cannot be written, and one is told once", async () => {
    await addUser("alice", { access: [] });
    const admin = await Browser.signedIn("admin");
    breakAll("DB.batch", "before");
    expect((await change(admin, "alice", "rights", TEAM).finally(healAll)).status).toBe(503);
    expect(await rightsOf("alice")).toEqual({ access: [] });
    breakNext("DB.batch", "after");
    expect((await change(admin, "alice", "rights", TEAM)).status).toBe(200);
    expect([allHappened(), (await storedEvents("set-rights")).length]).toEqual([true, 1]);
  });
});

test("a change costs two queries, and the one for the session", async () => {
  await addUser("alice", { access: [] });
  const admin = await Browser.signedIn("admin");
  const fields = await fieldsOf(admin, "/user/alice");
  const costs = await measure(() => admin.post("/user/alice/rights", { ...fields, ...TEAM }));
  expect(costs.queries).toBe(2);
  expect((await measure(() => admin.get("/user/alice"))).queries).toBe(1);
});
