/** `berth policy`, against a registry that answers as it is told. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ending, runBerth } from "./support/program.ts";
import { json, ScriptedServer } from "./support/scripted-server.ts";

const RULE = { kind: "immutable", repositories: ["team/**", "base"], tags: ["v*"], except: ["v*-dev"] };
const DESCRIBED = "releases: in team/**, base the tags v* do not move, except v*-dev\n";

let registry: ScriptedServer;
beforeEach(async () => {
  registry = await new ScriptedServer().listen();
});
afterEach(() => registry.close());

function policy(...args: string[]): Promise<Ending> {
  const login = ["--registry", registry.origin, "--username", "alice", "--password-stdin"];
  return runBerth(["policy", ...args, ...login], { input: "a password" });
}

const asked = () =>
  registry.asked.map(({ method, url, body }) => ({ method, url, body: body && JSON.parse(body) }));

describe("set", () => {
  test("sends the rule, and says what it means", async () => {
    registry.reply = (_, response) => json(response, 200, { name: "releases", rule: RULE });
    const globs = ["--repositories", "team/**", "base", "--tags", "v*", "--except", "v*-dev"];
    expect(await policy("set", "releases", ...globs)).toEqual({ code: 0, stdout: DESCRIBED, stderr: "" });
    expect(asked()).toEqual([{ method: "PUT", url: "/v2/_berth/policies/releases", body: RULE }]);
    expect(registry.asked[0]?.authorization).toBe(`Basic ${btoa("alice:a password")}`);
  });

  test("covers all tags unless it is told which", async () => {
    registry.reply = (_, response) => json(response, 200, { name: "all", rule: { ...RULE, except: [] } });
    await policy("set", "all", "--repositories", "**");
    expect(asked()[0]?.body).toEqual({ kind: "immutable", repositories: ["**"], tags: ["*"], except: [] });
  });

  test("wants repositories, and asks nothing without", async () => {
    expect((await policy("set", "releases")).code).toBe(2);
    expect(registry.asked).toEqual([]);
  });

  test("says what the registry refuses, in its words", async () => {
    const errors = [{ code: "UNSUPPORTED", message: "tags must be a list of globs" }];
    registry.reply = (_, response) => json(response, 400, { errors });
    const { code, stderr } = await policy("set", "a", "--repositories", "a", "--tags", "a/b");
    expect([code, stderr]).toEqual([
      1,
      `berth: ${registry.host} answered 400 UNSUPPORTED: ${errors[0]?.message}.\n`,
    ]);
  });
});

test("list tells of each policy in a line", async () => {
  const policies = [
    { name: "releases", rule: RULE },
    { name: "all", rule: { ...RULE, repositories: ["**"], tags: ["*"], except: [] } },
  ];
  registry.reply = (_, response) => json(response, 200, { policies });
  const { code, stdout } = await policy("list");
  expect([code, stdout]).toEqual([0, `${DESCRIBED}all: in ** the tags * do not move\n`]);
});

test("list of none says so", async () => {
  registry.reply = (_, response) => json(response, 200, { policies: [] });
  expect(await policy("list")).toEqual({ code: 0, stdout: "", stderr: "There are no policies.\n" });
});

test("remove names the policy as it is", async () => {
  registry.reply = (_, response) => {
    response.writeHead(204).end();
  };
  expect(await policy("remove", "a/b")).toEqual({ code: 0, stdout: "", stderr: "a/b is removed.\n" });
  expect(asked()).toEqual([{ method: "DELETE", url: "/v2/_berth/policies/a%2Fb", body: "" }]);
});
