/** Signing in and out, and what a browser may be made to do by others. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { formTokenOf } from "../../src/auth/session.ts";
import { Browser, linksOf, textOfPage } from "../support/browser.ts";
import { setDaysAhead } from "../support/clock.ts";
import { storedEvents } from "../support/events.ts";
import { breakAll, breakNext, healAll } from "../support/faults.ts";
import { request } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser, HASH } from "../support/users.ts";

describe("signing in", () => {
  test("gives a cookie that scripts and other sites do not get", async () => {
    const page = await new Browser().signIn("admin", "secret", "/?q=a");
    expect([page.status, page.headers.get("Location")]).toEqual([303, "/?q=a"]);
    const cookie = page.headers.getSetCookie().join();
    expect(cookie).toMatch(/^__Host-berth=[\w-]+\.[\w-]+\.[\w-]+;/);
    for (const part of ["HttpOnly", "Secure", "SameSite=Strict", "Path=/", "Expires="])
      expect(cookie).toContain(part);
    expect(cookie).not.toContain("Domain");
  });

  test("says who is signed in, and signs out", async () => {
    const browser = await Browser.signedIn("admin");
    expect((await browser.get("/")).html).toContain("<span>admin</span>");
    const page = await browser.submit("/", "/sign-out");
    expect([page.status, browser.cookie]).toEqual([303, ""]);
    expect((await browser.get("/")).html).not.toContain("<span>admin</span>");
  });

  test.each([
    ["admin", "wrong"],
    ["nobody", "secret"],
    ["<script>", "secret"],
    ["", ""],
  ])("as %j with %j is refused, in words", async (user, password) => {
    const browser = new Browser();
    const page = await browser.signIn(user, password);
    expect(page.status).toBe(401);
    expect(page.headers.get("WWW-Authenticate")).toBeNull();
    expect(textOfPage(page)).toContain("Unknown user, wrong password");
    expect(page.html).not.toContain("<script>s");
    expect(browser.cookie).not.toContain(".");
  });

  test("is held to the same limit as docker login, and is in the audit trail", async () => {
    const browser = new Browser();
    for (let tries = 0; tries < 10; tries++) await browser.signIn("admin", `wrong ${tries}`);
    const page = await browser.signIn("admin", "secret");
    expect([page.status, page.headers.get("Retry-After")]).toEqual([429, "60"]);
    expect(textOfPage(page)).toContain("Wait a minute");
    const events = await storedEvents("log-in");
    expect(events.map(({ outcome, reference }) => [outcome, reference])).toContainEqual(["failed", "admin"]);
  });

  test("takes a machine token under its owner's name, with no more than the token's rights", async () => {
    await addUser("alice", { access: [{ repositories: ["**"], actions: ["pull", "push"] }], admin: true });
    const body = JSON.stringify({
      ...{ name: "ci", access: [{ repositories: ["team/**"], actions: ["pull"] }], expiresIn: 3600 },
      owner: "alice",
    });
    const { token } = await (await request("POST", "/v2/_berth/tokens", { body })).json<{ token: string }>();
    const browser = await Browser.signedIn("alice", token);
    expect((await browser.get("/")).html).toContain("<span>alice&#39;s token ci</span>");
    await request("DELETE", "/v2/_berth/tokens/ci?owner=alice");
    expect((await browser.get("/")).html).not.toContain("token ci");
  });

  test.each(["//evil.test", "/\\evil.test", "https://evil.test/", "javascript:alert(1)", "/a\nb"])(
    "leads to no other site: %j",
    async (to) => {
      const browser = new Browser();
      expect(linksOf(await browser.get(`/sign-in?${new URLSearchParams({ to })}`))).not.toContain(to);
      expect((await browser.signIn("admin", "secret", to)).headers.get("Location")).toBe("/");
    },
  );
});

async function isSignedIn(browser: Browser): Promise<boolean> {
  return (await browser.get("/")).html.includes("Sign out");
}

describe("a session", () => {
  test("ends with another password, and with the user", async () => {
    await addUser("alice", { access: [] });
    const browser = await Browser.signedIn("alice");
    await env.USERS.put("alice", JSON.stringify({ hash: HASH, access: [], admin: true }));
    expect((await browser.get("/")).html).not.toContain("<span>alice</span>");
  });

  test("ends by itself after half a day", async () => {
    const browser = await Browser.signedIn("admin");
    setDaysAhead(0.6);
    const page = await browser.get("/").finally(() => setDaysAhead(0));
    expect(page.html).not.toContain("<span>admin</span>");
  });

  test("ends for good where it is signed out of, also where its cookie was copied to", async () => {
    const [browser, thief, other] = [
      await Browser.signedIn("admin"),
      new Browser(),
      await Browser.signedIn("admin"),
    ];
    thief.cookie = browser.cookie;
    expect(await isSignedIn(thief)).toBe(true);
    await browser.submit("/", "/sign-out");
    expect([await isSignedIn(thief), await isSignedIn(other)]).toEqual([false, true]);
    expect((await thief.get("/users")).status).toBe(303);
  });

  test("ends everywhere when its user says so, and the next one is none of these", async () => {
    await addUser("alice", { access: [], admin: true });
    const [here, there, admin] = [
      await Browser.signedIn("alice"),
      await Browser.signedIn("alice"),
      await Browser.signedIn("admin"),
    ];
    const { token } = await (
      await request("POST", "/v2/_berth/tokens", {
        body: JSON.stringify({
          ...{ name: "ci", access: [{ repositories: ["**"], actions: ["pull"] }], expiresIn: 3600 },
          owner: "alice",
        }),
      })
    ).json<{ token: string }>();
    const machine = await Browser.signedIn("alice", token);
    expect((await machine.submit("/", "/sign-out", { everywhere: "yes" })).status).toBe(403);
    const page = await here.submit("/tokens", "/sign-out", { everywhere: "yes" });
    expect([page.status, here.cookie]).toEqual([303, ""]);
    for (const browser of [there, machine]) expect(await isSignedIn(browser)).toBe(false);
    expect(await isSignedIn(admin)).toBe(true);
    expect(await isSignedIn(await Browser.signedIn("alice"))).toBe(true);
    expect(await storedEvents("end-sessions")).toMatchObject([{ actor: "alice", reference: "alice" }]);
  });

  test("is not said to have ended when that could not be written", async () => {
    const browser = await Browser.signedIn("admin");
    const { cookie } = browser;
    breakAll("DB.batch", "before");
    const page = await browser.submit("/", "/sign-out").finally(healAll);
    expect([page.status, browser.cookie]).toEqual([503, cookie]);
    expect(await isSignedIn(browser)).toBe(true);
    breakNext("DB.batch", "after");
    expect((await browser.submit("/", "/sign-out")).status).toBe(303);
  });

  test("is remembered to have ended for as long as it would have lasted, and no longer", async () => {
    const ended = async () => (await env.DB.prepare("SELECT count(*) AS n FROM ended_sessions").first())?.n;
    for (let times = 0; times < 3; times++) await (await Browser.signedIn("admin")).submit("/", "/sign-out");
    expect(await ended()).toBe(3);
    const browser = await Browser.signedIn("admin");
    await env.DB.prepare("UPDATE ended_sessions SET expires_at = 1").run();
    await browser.submit("/", "/sign-out");
    expect(await ended()).toBe(1);
  });

  test("is no token of the registry, and a token of the registry is no session", async () => {
    const browser = await Browser.signedIn("admin");
    const session = browser.cookie.replace("__Host-berth=", "");
    const headers = { Authorization: `Bearer ${session}` };
    expect((await request("GET", "/v2/", { headers })).status).toBe(401);
    expect(
      (await request("GET", "/v2/", { headers: { Authorization: "", Cookie: browser.cookie } })).status,
    ).toBe(401);
    setVariables({ PUBLIC_REPOSITORIES: "library/**" });
    const { token } = await (await request("GET", "/v2/token?service=berth")).json<{ token: string }>();
    browser.cookie = `__Host-berth=${token}`;
    expect((await browser.get("/")).html).not.toContain("<span>admin</span>");
  });

  test.each(["x", "a.b.c", `${"x".repeat(5000)}`, "eyJhbGciOiJub25lIn0.eyJzdWJqZWN0Ijp7fX0."])(
    "that is forged is nobody's: %j",
    async (value) => {
      const browser = new Browser();
      browser.cookie = `__Host-berth=${value}`;
      const page = await browser.get("/");
      expect(page.status).toBe(200);
      expect(page.html).toContain(">Sign in</a>");
    },
  );
});

describe("a form", () => {
  test("is not taken from another site, from another browser, or without its token", async () => {
    const browser = await Browser.signedIn("admin");
    const form = formTokenOf(browser.cookie.replace("__Host-berth=", ""));
    const tries: [Record<string, string>, Record<string, string>][] = [
      [{ form }, { Origin: "https://evil.test" }],
      [{ form }, { Origin: "null" }],
      [{ form }, { "Sec-Fetch-Site": "cross-site" }],
      [{ form }, { "Sec-Fetch-Site": "same-site" }],
      [{ form: formTokenOf("another") }, {}],
      [{ form: "" }, {}],
      [{}, {}],
    ];
    for (const [fields, headers] of tries) {
      const page = await browser.post("/sign-out", fields, headers);
      expect([fields, headers, page.status]).toEqual([fields, headers, 403]);
    }
    expect((await browser.get("/")).html).toContain("<span>admin</span>");
    expect((await new Browser().post("/sign-in", { form: formTokenOf("") })).status).toBe(403);
  });

  test("is not taken when it is too large", async () => {
    const browser = await Browser.signedIn("admin");
    expect((await browser.post("/sign-out", { form: "x".repeat(70_000) })).status).toBe(413);
  });
});
