/** Password hashes: what a failure costs, and how cheap ones are raised. */

import { env } from "cloudflare:workers";
import { compareSync, hashSync } from "bcryptjs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { forgetDearest } from "../../src/auth/dearest-hash.ts";
import { bcryptRuns, work } from "../../src/auth/passwords.ts";
import { raiseHash } from "../../src/auth/raise.ts";
import { parseUserEntry, type UserEntry } from "../../src/auth/user-entry.ts";
import { request } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser, basic, HASH } from "../support/users.ts";

function logIn(user: string, password = "secret"): Promise<Response> {
  return request("GET", "/v2/", { headers: { Authorization: basic(user, password) } });
}

async function workOf(user: string, password: string): Promise<number> {
  const before = work;
  await logIn(user, password);
  return work - before;
}

describe("a failed login", () => {
  test("costs the usual 2^10 for an unknown user, and for a cheaper hash", async () => {
    expect(await workOf("nobody", "x")).toBe(2 ** 10);
    expect(await workOf("admin", "x")).toBe(2 ** 10);
  });

  test("costs what the dearest hash costs once there is one, at every isolate", async () => {
    await env.USERS.put("careful", hashSync("secret", 12));
    expect((await logIn("careful")).status).toBe(200);
    for (const isolate of ["this", "another"]) {
      for (const user of ["nobody", "admin", "careful"])
        expect([isolate, user, await workOf(user, `wrong ${isolate}`)]).toEqual([isolate, user, 2 ** 12]);
      forgetDearest();
    }
  });
});

describe("a hash that is cheaper than usual", () => {
  const RIGHTS = { access: [{ repositories: ["team/**"], actions: ["pull"] }], admin: false };
  const start = Date.now();
  const at = (minutes: number) => vi.spyOn(Date, "now").mockImplementation(() => start + minutes * 60_000);

  beforeEach(() => addUser("bob", RIGHTS));
  afterEach(() => {
    vi.restoreAllMocks();
  });

  async function stored(): Promise<UserEntry & { text: string }> {
    const text = (await env.USERS.get("bob")) ?? "";
    return { ...(parseUserEntry(text) as UserEntry), text };
  }

  async function raise(): Promise<void> {
    at(0);
    await logIn("bob");
    await vi.waitFor(async () => expect(await env.USERS.get("raise/bob")).not.toBe(null), 5000);
    at(11);
    await logIn("bob");
    await vi.waitFor(async () => expect((await stored()).text).toContain("$2b$10$"), 5000);
  }

  test("is raised at a login ten minutes after the first one, and keeps its rights", async () => {
    await raise();
    const { hash, text } = await stored();
    expect(compareSync("secret", hash)).toBe(true);
    expect(JSON.parse(text)).toMatchObject(RIGHTS);
    const runs = bcryptRuns;
    expect((await logIn("bob")).status).toBe(200);
    expect(bcryptRuns).toBe(runs);
    expect((await logIn("bob", "wrong")).status).toBe(401);
    await vi.waitFor(async () => expect(await env.USERS.get("raise/bob")).toBe(null), 5000);
  });

  test("of all rights keeps all of them", async () => {
    await env.USERS.put("bob", HASH);
    await raise();
    expect(await stored()).toMatchObject({ admin: true, grants: [{ actions: ["pull", "push", "delete"] }] });
  });

  test("stays at the first login, and at one soon after it", async () => {
    for (const minutes of [0, 9]) {
      at(minutes);
      await logIn("bob");
      await vi.waitFor(async () => expect(await env.USERS.get("raise/bob")).not.toBe(null), 5000);
    }
    expect((await stored()).hash).toBe(HASH);
  });

  test("ends no token by being raised; another password then does", async () => {
    setVariables({ PUBLIC_REPOSITORIES: "library/**" });
    const headers = { Authorization: basic("bob") };
    const answer = await request("GET", "/v2/token?scope=repository:team/app:pull", { headers });
    const { token } = (await answer.json()) as { token: string };
    const use = async () =>
      (await request("GET", "/v2/team/app/tags/list", { headers: { Authorization: `Bearer ${token}` } }))
        .status;
    expect(await use()).toBe(404);
    await raise();
    expect(await use()).toBe(404);
    // Somebody edits the raised entry by hand.
    await env.USERS.put("bob", (await stored()).text.replace((await stored()).hash, hashSync("new", 4)));
    expect(await use()).toBe(401);
  });

  test("is left alone when the user was changed or removed meanwhile", async () => {
    const seen = await stored();
    const mark = () => env.USERS.put("raise/bob", JSON.stringify({ fingerprint: seen.fingerprint, at: 0 }));
    for (const change of [hashSync("new", 4), JSON.stringify({ hash: HASH, access: [] })]) {
      await mark();
      await env.USERS.put("bob", change);
      await raiseHash(env, "bob", "secret", seen, start);
      expect(await env.USERS.get("bob")).toBe(change);
    }
    // By somebody of whom KV may not have told everywhere.
    await mark();
    await env.USERS.put("bob", seen.text);
    const changed = env.DB.prepare(
      "INSERT INTO user_changes (name, version, request, changed_at) VALUES ('bob', 'x', 'y', ?1)",
    );
    await changed.bind(start - 60_000).run();
    await raiseHash(env, "bob", "secret", seen, start);
    expect(await env.USERS.get("bob")).toBe(seen.text);
    await mark();
    await env.USERS.delete("bob");
    await raiseHash(env, "bob", "secret", seen, start);
    expect(await env.USERS.get("bob")).toBe(null);
  });
});
