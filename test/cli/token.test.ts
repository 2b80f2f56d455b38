/** `berth token`, against a registry that answers as it is told. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ending, runBerth } from "./support/program.ts";
import { json, ScriptedServer } from "./support/scripted-server.ts";

const SECRET = "berth_not-a-real-one";
const TEAM = { repositories: ["team/**"], actions: ["pull", "push"] };
const TOKEN = {
  ...{ name: "ci", owner: "alice", access: [TEAM], createdAt: 0 },
  ...{ expiresAt: Date.UTC(2027, 0, 31), lastUsedAt: null },
};
let registry: ScriptedServer;
beforeEach(async () => {
  registry = await new ScriptedServer().listen();
  registry.reply = (_, response) => json(response, 201, { ...TOKEN, token: SECRET });
});
afterEach(() => registry.close());

function token(...args: string[]): Promise<Ending> {
  const login = ["--registry", registry.origin, "--username", "alice", "--password-stdin"];
  return runBerth(["token", ...args, ...login], { input: "a password" });
}

const asked = () =>
  registry.asked.map(({ method, url, body }) => ({ method, url, body: body && JSON.parse(body) }));

describe("create", () => {
  test("prints the token alone on standard output, and the rest for people", async () => {
    const ended = await token("create", "ci", "--repositories", "team/**", "--actions", "pull", "push");
    expect(ended).toEqual({
      code: 0,
      stdout: `${SECRET}\n`,
      stderr:
        "ci of alice may pull, push in team/**; until 2027-01-31. It is shown only once; log in with it as alice:\n",
    });
    const body = { name: "ci", access: [TEAM], expiresIn: 90 * 86_400 };
    expect(asked()).toEqual([{ method: "POST", url: "/v2/_berth/tokens", body }]);
    expect(registry.asked[0]?.authorization).toBe(`Basic ${btoa("alice:a password")}`);
  });

  test.each([
    ["12h", 43_200],
    ["2w", 1_209_600],
    ["never", null],
  ])("takes --expires %s, and an owner", async (expires, expiresIn) => {
    await token("create", "ci", "--expires", expires, "--user", "bob");
    expect(asked()[0]?.body).toMatchObject({
      owner: "bob",
      expiresIn,
      access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }],
    });
  });

  test.each([
    ["--expires", "soon"],
    ["--expires", "0d"],
    ["--repositories", "team/**"],
    ["--repositories", "A B", "--actions", "pull"],
    ["--repositories", "a", "--actions", "own"],
  ])("refuses %s %s, and asks nothing", async (...args) => {
    expect((await token("create", "ci", ...args)).code).toBe(2);
    expect(registry.asked).toEqual([]);
  });

  test("says what the registry refuses, in its words", async () => {
    const errors = [{ code: "DENIED", message: "ci exists: revoke it first" }];
    registry.reply = (_, response) => json(response, 403, { errors });
    const { code, stdout, stderr } = await token("create", "ci");
    expect([code, stdout, stderr]).toEqual([
      1,
      "",
      `berth: ${registry.host} answered 403 DENIED: ${errors[0]?.message}.\n`,
    ]);
  });
});

test("list tells of each token what is no secret", async () => {
  const old = { ...TOKEN, name: "old", expiresAt: null, lastUsedAt: Date.UTC(2026, 0, 2) };
  registry.reply = (_, response) => json(response, 200, { tokens: [TOKEN, old] });
  const { code, stdout } = await token("list", "--user", "alice");
  expect([code, stdout]).toEqual([
    0,
    "ci of alice may pull, push in team/**; until 2027-01-31; never used\n" +
      "old of alice may pull, push in team/**; never expires; last used 2026-01-02\n",
  ]);
  expect(asked()).toEqual([{ method: "GET", url: "/v2/_berth/tokens?owner=alice", body: "" }]);
});

describe("revoke", () => {
  beforeEach(() => {
    registry.reply = (_, response) => response.writeHead(204).end();
  });

  test("ends one, or all", async () => {
    expect(await token("revoke", "a/b")).toMatchObject({ code: 0, stdout: "", stderr: "a/b is revoked.\n" });
    expect((await token("revoke", "--all", "--user", "bob")).code).toBe(0);
    expect(asked().map(({ method, url }) => `${method} ${url}`)).toEqual([
      "DELETE /v2/_berth/tokens/a%2Fb",
      "DELETE /v2/_berth/tokens?owner=bob",
    ]);
  });

  test("wants to be told which", async () => {
    expect((await token("revoke")).code).toBe(2);
    expect((await token("revoke", "ci", "--all")).code).toBe(2);
    expect(registry.asked).toEqual([]);
  });
});
