/** Machine tokens: made, used with any client, listed, revoked. */

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { forgetUses } from "../../src/auth/machine-access.ts";
import { formatMachineToken, idOf, isMachineToken } from "../../src/auth/machine-token.ts";
import { bcryptRuns } from "../../src/auth/passwords.ts";
import { putToken } from "../../src/storage/tokens.ts";
import { finishBackground } from "../support/background.ts";
import { pushImage } from "../support/images.ts";
import { codesOf, request } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser, basic, HASH } from "../support/users.ts";

const TEAM = [{ repositories: ["team/**"], actions: ["pull", "push"] }];
const DAY = 86_400_000;

beforeEach(async () => {
  await pushImage("team/app", "latest", "config", ["layer"]);
  await pushImage("other/app", "latest", "config", ["layer"]);
  await addUser("alice", { access: [{ repositories: ["**"], actions: ["pull", "push"] }] });
});
afterEach(() => {
  vi.restoreAllMocks();
});

interface Made {
  name: string;
  owner: string;
  token: string;
  expiresAt: number | null;
}

function post(body: unknown, authorization = basic("alice")): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return request("POST", "/v2/_berth/tokens", { body: text, headers: { Authorization: authorization } });
}

async function make(more: object = {}, authorization = basic("alice")): Promise<Made> {
  const response = await post({ name: "ci", access: TEAM, expiresIn: 3600, ...more }, authorization);
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()) as Made;
}

/** As another location makes one that does not see what was made here a moment ago. */
async function makeElsewhere(name: string): Promise<Made> {
  const token = formatMachineToken(crypto.getRandomValues(Buffer.alloc(32)));
  const stored = { name, owner: "alice", access: TEAM, createdAt: Date.now(), expiresAt: null };
  await putToken(env.USERS, idOf(token), stored);
  return { ...stored, token };
}

async function status(method: string, path: string, authorization: string): Promise<number> {
  return (await request(method, path, { headers: { Authorization: authorization } })).status;
}

const pull = (authorization: string, name = "team/app") =>
  status("GET", `/v2/${name}/manifests/latest`, authorization);

interface Listed {
  name: string;
  expiresAt: number | null;
  lastUsedAt: number | null;
}

async function list(query = "", authorization = basic("alice")): Promise<Listed[]> {
  const headers = { Authorization: authorization };
  const response = await request("GET", `/v2/_berth/tokens${query}`, { headers });
  return ((await response.json()) as { tokens: Listed[] }).tokens;
}

/** A token of the token endpoint, for credentials. */
async function exchange(authorization: string, scope = "repository:team/app:pull,push"): Promise<string> {
  setVariables({ PUBLIC_REPOSITORIES: "library/**" });
  const headers = { Authorization: authorization };
  const response = await request("GET", `/v2/token?scope=${scope}`, { headers });
  return `Bearer ${((await response.json()) as { token: string }).token}`;
}

describe("the form", () => {
  test("is one that scanners for secrets find, and tells a slip of the pen without asking anybody", () => {
    const token = formatMachineToken(crypto.getRandomValues(new Uint8Array(32)));
    expect(token).toMatch(/^berth_[0-9A-Za-z]{49}$/);
    expect(isMachineToken(token)).toBe(true);
    for (let at = 6; at < token.length; at++) {
      const other = token[at] === "a" ? "b" : "a";
      expect(isMachineToken(token.slice(0, at) + other + token.slice(at + 1))).toBe(false);
    }
    for (const text of ["", "secret", "berth_", `${token}x`, token.slice(1), token.toUpperCase()])
      expect(isMachineToken(text)).toBe(false);
  });

  test("holds all 256 bits, and has one length for all of them", () => {
    const of = (byte: number, last = byte) =>
      formatMachineToken(new Uint8Array(32).fill(byte).fill(last, 31));
    expect(new Set([of(0), of(0, 1), of(255), of(255, 254)]).size).toBe(4);
    for (const token of [of(0), of(255)]) expect(isMachineToken(token)).toBe(true);
  });
});

describe("a token", () => {
  test("is shown once, and stored as its digest", async () => {
    const before = Date.now();
    const made = await make();
    expect(made).toMatchObject({ name: "ci", owner: "alice", access: TEAM });
    expect(made.expiresAt).toBeGreaterThanOrEqual(before + 3_600_000);
    for (const { name } of (await env.USERS.list()).keys) {
      expect(name).not.toContain(made.token);
      expect(await env.USERS.get(name)).not.toContain(made.token);
    }
    expect(await env.USERS.get(`token/${idOf(made.token)}`)).not.toBe(null);
    expect(JSON.stringify(await list())).not.toContain("berth_");
  });

  test("is a password of its owner, by Basic and by Bearer, and costs no bcrypt", async () => {
    const { token } = await make();
    const runs = bcryptRuns;
    const authorization = basic("alice", token);
    expect(await status("GET", "/v2/", authorization)).toBe(200);
    expect(await pull(authorization)).toBe(200);
    expect(await status("POST", "/v2/team/app/blobs/uploads/", authorization)).toBe(202);
    const bearer = await exchange(authorization);
    expect(await pull(bearer)).toBe(200);
    expect(await status("POST", "/v2/team/app/blobs/uploads/", bearer)).toBe(202);
    const form = {
      grant_type: "password",
      username: "alice",
      password: token,
      scope: "repository:team/app:pull",
    };
    const posted = await request("POST", "/v2/token", {
      body: new URLSearchParams(form),
      headers: { Authorization: "" },
    });
    const { access_token } = (await posted.json()) as { access_token: string };
    expect(await pull(`Bearer ${access_token}`)).toBe(200);
    expect(bcryptRuns).toBe(runs);
  });

  test("is nobody else's password, and none when it is made up", async () => {
    const { token } = await make();
    await addUser("mallory");
    const madeUp = formatMachineToken(new Uint8Array(32));
    for (const authorization of [basic("mallory", token), basic("nobody", token), basic("alice", madeUp)])
      expect(await status("GET", "/v2/", authorization)).toBe(401);
  });

  test("is not counted as a failed login, nor refused for the failures of others", async () => {
    const { token } = await make();
    const ask = (password: string) =>
      request("GET", "/v2/", {
        headers: { Authorization: basic("alice", password), "CF-Connecting-IP": "192.0.2.99" },
      });
    for (let index = 0; index < 40; index++)
      expect((await ask(formatMachineToken(new Uint8Array(32).fill(index)))).status).toBe(401);
    expect((await ask("secret")).status).toBe(200);
    const guesses = await Promise.all(Array.from({ length: 20 }, (_, index) => ask(`wrong ${index}`)));
    expect(guesses.map((guess) => guess.status)).toContain(429);
    expect((await ask(token)).status).toBe(200);
  });

  test("gives what both it and its owner may, at that moment", async () => {
    const { token } = await make({ access: [{ repositories: ["team/**"], actions: ["pull", "delete"] }] });
    const authorization = basic("alice", token);
    const bearer = await exchange(authorization, "repository:team/app:*");
    for (const credentials of [authorization, bearer]) {
      expect(await pull(credentials)).toBe(200);
      expect(await pull(credentials, "other/app")).toBe(403);
      expect(await status("POST", "/v2/team/app/blobs/uploads/", credentials)).toBe(403);
      expect(await status("DELETE", "/v2/team/app/manifests/latest", credentials)).toBe(403);
    }
    const denied = await request("DELETE", "/v2/team/app/manifests/latest", {
      headers: { Authorization: authorization },
    });
    expect(await denied.text()).toContain("alice's token ci has no right to delete here");
    await addUser("alice", { access: [{ repositories: ["other/**"], actions: ["pull"] }] });
    for (const credentials of [authorization, bearer]) expect(await pull(credentials)).toBe(403);
  });

  test("may pull what anybody may", async () => {
    setVariables({ PUBLIC_REPOSITORIES: "other/**" });
    expect(await pull(basic("alice", (await make()).token), "other/app")).toBe(200);
  });

  test("lists what it may pull", async () => {
    await addUser("alice");
    const { token } = await make();
    const headers = { Authorization: basic("alice", token) };
    const catalog = await request("GET", "/v2/_catalog", { headers });
    expect(await catalog.json()).toEqual({ repositories: ["team/app"] });
  });

  test("is never an administrator, and makes no tokens", async () => {
    const { token } = await make({}, basic("admin"));
    const credentials = [
      basic("admin", token),
      await exchange(basic("admin", token)),
      await exchange(basic("admin")),
    ];
    for (const authorization of credentials) {
      expect(await status("POST", "/v2/_berth/gc", authorization)).toBe(403);
      expect(await status("GET", "/v2/_berth/tokens", authorization)).toBe(403);
      expect(await status("DELETE", "/v2/_berth/tokens", authorization)).toBe(403);
      expect((await post({ name: "more", access: TEAM, expiresIn: 60 }, authorization)).status).toBe(403);
    }
  });

  test("outlives a change of its owner's password, and dies with the owner", async () => {
    const { token } = await make();
    const authorization = basic("alice", token);
    const bearer = await exchange(authorization);
    const { hash } = await import("bcryptjs");
    await env.USERS.put("alice", await hash("new", 4));
    for (const credentials of [authorization, bearer]) expect(await pull(credentials)).toBe(200);
    await env.USERS.delete("alice");
    for (const credentials of [authorization, bearer]) expect(await pull(credentials)).toBe(401);
    await env.USERS.put("alice", "malformed");
    vi.spyOn(console, "error").mockImplementation(() => {});
    for (const credentials of [authorization, bearer]) expect(await pull(credentials)).toBe(401);
  });
});

describe("an expired token", () => {
  test("is none, and neither is a Bearer that it got", async () => {
    const { token } = await make({ expiresIn: 600 });
    const bearer = await exchange(basic("alice", token));
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 590_000);
    for (const credentials of [basic("alice", token), bearer]) expect(await pull(credentials)).toBe(200);
    vi.spyOn(Date, "now").mockImplementation(() => now + 601_000);
    for (const credentials of [basic("alice", token), bearer]) expect(await pull(credentials)).toBe(401);
  });

  test("says beforehand how long its Bearer lives", async () => {
    const { token } = await make({ expiresIn: 600 });
    setVariables({ PUBLIC_REPOSITORIES: "library/**" });
    const response = await request("GET", "/v2/token", { headers: { Authorization: basic("alice", token) } });
    const { expires_in } = (await response.json()) as { expires_in: number };
    expect(expires_in).toBeLessThanOrEqual(600);
    expect(expires_in).toBeGreaterThan(500);
  });

  test("is also one that has become older than MAX_TOKEN_LIFETIME allows by now", async () => {
    const { token } = await make({ expiresIn: 200 * 86_400 });
    setVariables({ MAX_TOKEN_LIFETIME: "90d" });
    const now = Date.now();
    expect(await pull(basic("alice", token))).toBe(200);
    expect((await list())[0]?.expiresAt).toBeLessThanOrEqual(now + 90 * DAY);
    vi.spyOn(Date, "now").mockImplementation(() => now + 91 * DAY);
    expect(await pull(basic("alice", token))).toBe(401);
  });

  test("is not asked for beyond MAX_TOKEN_LIFETIME, and for ever only where that is none", async () => {
    for (const expiresIn of [366 * 86_400, null, undefined, 59, 1.5, "3600", -1])
      expect([expiresIn, (await post({ name: "ci", access: TEAM, expiresIn })).status]).toEqual([
        expiresIn,
        400,
      ]);
    setVariables({ MAX_TOKEN_LIFETIME: "none" });
    const { token, expiresAt } = await make({ expiresIn: null });
    expect(expiresAt).toBe(null);
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 4000 * DAY);
    expect(await pull(basic("alice", token))).toBe(200);
  });
});

describe("revocation", () => {
  test("of one counts at the next request, for its Bearer too, and leaves the others", async () => {
    const one = await make();
    const two = await make({ name: "two" });
    const bearer = await exchange(basic("alice", one.token));
    const credentials = [basic("alice", one.token), bearer];
    for (const each of credentials) expect(await pull(each)).toBe(200);
    expect(await status("DELETE", "/v2/_berth/tokens/ci", basic("alice"))).toBe(204);
    for (const each of credentials) expect(await pull(each)).toBe(401);
    expect(await pull(basic("alice", two.token))).toBe(200);
    expect((await list()).map(({ name }) => name)).toEqual(["two"]);
    expect(await status("DELETE", "/v2/_berth/tokens/ci", basic("alice"))).toBe(404);
  });

  test("of a name ends all that were made under it at once, and each is listed until then", async () => {
    const responses = await Promise.all(
      [1, 2, 3].map(() => post({ name: "twin", access: TEAM, expiresIn: 3600 })),
    );
    const made = (await Promise.all(
      responses.filter(({ status }) => status === 201).map((response) => response.json()),
    )) as Made[];
    // The race is not forced: where it did not happen, another location makes one.
    if (made.length === 1) made.push(await makeElsewhere("twin"));
    expect(await list()).toHaveLength(made.length);
    expect(await status("DELETE", "/v2/_berth/tokens/twin", basic("alice"))).toBe(204);
    for (const { token } of made) expect(await pull(basic("alice", token))).toBe(401);
    expect(await list()).toEqual([]);
    expect((await env.USERS.list({ prefix: "owner/" })).keys).toEqual([]);
  });

  test("of all counts for those too that KV's lists do not show", async () => {
    const one = await make();
    const two = await make({ name: "two" });
    await env.USERS.delete("owner/alice/two");
    await env.USERS.delete(`owner/alice/two/${idOf(two.token)}`);
    expect(await status("DELETE", "/v2/_berth/tokens", basic("alice"))).toBe(204);
    for (const { token } of [one, two]) expect(await pull(basic("alice", token))).toBe(401);
    expect(await list()).toEqual([]);
    // One that is made in the same millisecond lives.
    expect(await pull(basic("alice", (await make()).token))).toBe(200);
  });

  test("that stops half way can be repeated", async () => {
    const { token } = await make();
    await env.USERS.delete(`token/${idOf(token)}`);
    expect(await pull(basic("alice", token))).toBe(401);
    expect(await status("DELETE", "/v2/_berth/tokens/ci", basic("alice"))).toBe(204);
    await make();
  });

  test("is not undone by a use that is noted late", async () => {
    const { token } = await make();
    await pull(basic("alice", token));
    await status("DELETE", "/v2/_berth/tokens/ci", basic("alice"));
    forgetUses();
    await env.USERS.put(`used/${idOf(token)}`, String(Date.now()));
    expect(await pull(basic("alice", token))).toBe(401);
    expect(await list()).toEqual([]);
  });
});

describe("the last use", () => {
  async function use(token: string): Promise<number | null> {
    await pull(basic("alice", token));
    await finishBackground();
    return (await list())[0]?.lastUsedAt ?? null;
  }

  test("is listed, and written at most once an hour, by all isolates together", async () => {
    const { token } = await make({ expiresIn: 86_400 });
    expect((await list())[0]?.lastUsedAt).toBe(null);
    const now = Date.now();
    const at = (minutes: number) => vi.spyOn(Date, "now").mockImplementation(() => now + minutes * 60_000);
    at(0);
    expect(await use(token)).toBe(now);
    at(59);
    expect(await use(token)).toBe(now);
    forgetUses();
    expect(await use(token)).toBe(now);
    forgetUses();
    at(61);
    expect(await use(token)).toBe(now + 61 * 60_000);
  });
});

describe("who manages whose", () => {
  test("an administrator makes others none with more rights than his own", async () => {
    await addUser("bob", { access: [{ repositories: ["**"], actions: ["pull", "push"] }] });
    await addUser("carol", { access: [{ repositories: ["team/**"], actions: ["pull"] }], admin: true });
    const ask = (repositories: string[], actions: string[]) =>
      post({ name: "x", owner: "bob", access: [{ repositories, actions }], expiresIn: 60 }, basic("carol"));
    for (const [repositories, actions] of [
      [["team/**"], ["pull", "push"]],
      [["**"], ["pull"]],
      [["team/app", "other"], ["pull"]],
    ] as const) {
      const response = await ask([...repositories], [...actions]);
      expect([response.status, await codesOf(response)]).toEqual([403, ["DENIED"]]);
    }
    expect((await ask(["team/app"], ["pull"])).status).toBe(201);
  });

  test("a user his own, an administrator everybody's", async () => {
    await addUser("bob", { access: [] });
    await make();
    const { owner } = await make({ name: "for-bob", owner: "bob" }, basic("admin"));
    expect(owner).toBe("bob");
    expect((await list("?owner=bob", basic("admin"))).map(({ name }) => name)).toEqual(["for-bob"]);
    expect((await list("", basic("bob"))).map(({ name }) => name)).toEqual(["for-bob"]);
    expect((await list()).map(({ name }) => name)).toEqual(["ci"]);
    expect(
      (await post({ name: "x", owner: "alice", access: TEAM, expiresIn: 60 }, basic("bob"))).status,
    ).toBe(403);
    for (const [method, path] of [
      ["GET", "?owner=alice"],
      ["DELETE", "?owner=alice"],
      ["DELETE", "/ci?owner=alice"],
    ] as const) {
      expect(await status(method, `/v2/_berth/tokens${path}`, basic("bob"))).toBe(403);
      expect(await status(method, `/v2/_berth/tokens${path}`, "")).toBe(401);
    }
    expect(await status("DELETE", "/v2/_berth/tokens/ci?owner=alice", basic("admin"))).toBe(204);
  });

  test("nobody those of a user who does not exist", async () => {
    for (const owner of ["nobody", "a/b", "token/x", ""]) {
      const response = await post({ name: "x", owner, access: TEAM, expiresIn: 60 }, basic("admin"));
      expect([owner, response.status, await codesOf(response)]).toEqual([owner, 404, ["NAME_UNKNOWN"]]);
    }
  });
});

describe("a request that makes no sense", () => {
  test.each([
    ["", 400],
    ["[]", 400],
    ["null", 400],
    [{ name: "a/b" }, 400],
    [{ name: "" }, 400],
    [{ name: "x".repeat(65) }, 400],
    [{ owner: 7 }, 400],
    [{ access: [] }, 400],
    [{ access: "all" }, 400],
    [{ access: [{ repositories: [], actions: ["pull"] }] }, 400],
    [{ access: [{ repositories: ["a"], actions: [] }] }, 400],
    [{ access: [{ repositories: ["A B"], actions: ["pull"] }] }, 400],
    [{ access: [{ repositories: ["a"], actions: ["own"] }] }, 400],
    [{ access: Array(101).fill(TEAM[0]) }, 400],
    [{ access: Array(3).fill({ repositories: Array(34).fill("a"), actions: ["pull"] }) }, 400],
    [{ name: "x".repeat(70_000) }, 413],
  ])("is %j: refused, and nothing is made", async (body, expected) => {
    const whole = typeof body === "string" ? body : { name: "ci", access: TEAM, expiresIn: 60, ...body };
    const response = await post(whole);
    expect([response.status, await codesOf(response)]).toEqual([expected, ["UNSUPPORTED"]]);
    expect((await env.USERS.list({ prefix: "owner/" })).keys).toEqual([]);
  });

  test("is also one for a name that is taken, or beyond a hundred tokens", async () => {
    const first = await make();
    expect((await post({ name: "ci", access: TEAM, expiresIn: 60 })).status).toBe(409);
    expect(await pull(basic("alice", first.token))).toBe(200);
    for (let index = 1; index < 100; index++) {
      const token = {
        name: `t${index}`,
        owner: "alice",
        access: TEAM,
        createdAt: Date.now(),
        expiresAt: null,
      };
      await env.USERS.put(`owner/alice/${token.name}`, "", { metadata: { id: `id${index}` } });
      await env.USERS.put(`token/id${index}`, JSON.stringify(token));
    }
    expect((await post({ name: "more", access: TEAM, expiresIn: 60 })).status).toBe(409);
    expect(await list()).toHaveLength(100);
  });
});

test("names of users cannot be mistaken for what is stored beside them", async () => {
  await env.USERS.put("token/x", HASH);
  expect(await status("GET", "/v2/", basic("token/x"))).toBe(401);
});
