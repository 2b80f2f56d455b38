/** `berth quota` and `npm run usage`, against a registry that answers as it is told. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ending, runBerth } from "./support/program.ts";
import { json, ScriptedServer } from "./support/scripted-server.ts";

let registry: ScriptedServer;
beforeEach(async () => {
  registry = await new ScriptedServer().listen();
});
afterEach(() => registry.close());

function run(...args: string[]): Promise<Ending> {
  const login = ["--registry", registry.origin, "--username", "alice", "--password-stdin"];
  return runBerth([...args, ...login], { input: "a password" });
}

const quota = (...args: string[]) => run("quota", ...args);

const asked = () =>
  registry.asked.map(({ method, url, body }) => ({ method, url, body: body && JSON.parse(body) }));

describe("quota set", () => {
  test("sends what is told, and says what it means", async () => {
    const body = { repositories: "team/**", allowed: 50e9 };
    registry.reply = (_, response) => json(response, 200, { name: "team", ...body, used: 1.5e9 });
    expect(await quota("set", "team", "--repositories", "team/**", "--bytes", "50GB")).toEqual({
      code: 0,
      stdout: "team: team/** may hold 50.0 GB, and hold 1.5 GB\n",
      stderr: "",
    });
    expect(asked()).toEqual([{ method: "PUT", url: "/v2/_berth/quotas/team", body }]);
    expect(registry.asked[0]?.authorization).toBe(`Basic ${btoa("alice:a password")}`);
  });

  test.each([
    ["2TB", 2e12],
    ["1TiB", 2 ** 40],
    ["0", 0],
  ])("takes an owner, and %s", async (bytes, allowed) => {
    registry.reply = (_, response) => json(response, 200, { name: "bob", owner: "bob", allowed, used: 3e12 });
    const { stdout } = await quota("set", "bob", "--owner", "bob", "--bytes", bytes);
    expect(asked()[0]?.body).toEqual({ owner: "bob", allowed });
    expect(stdout).toMatch(/^bob: the repositories of bob may hold .*B, and hold more, 3\.0 TB\n$/);
  });

  test.each([
    ["--bytes", "5GB"],
    ["--repositories", "team/**"],
    ["--repositories", "team/**", "--owner", "alice", "--bytes", "5GB"],
    ["--repositories", "team/**", "--bytes", "much"],
    ["--repositories", "Team", "--bytes", "5GB"],
    ["--repositories", "*/team/**", "--bytes", "5GB"],
  ])("refuses %j, and asks nothing", async (...args) => {
    expect((await quota("set", "team", ...args)).code).toBe(2);
    expect(registry.asked).toEqual([]);
  });

  test("says what the registry refuses, in its words", async () => {
    const errors = [{ code: "DENIED", message: "there are 100 quotas: remove one first" }];
    registry.reply = (_, response) => json(response, 409, { errors });
    const { code, stderr } = await quota("set", "team", "--repositories", "a", "--bytes", "5GB");
    expect([code, stderr]).toEqual([
      1,
      `berth: ${registry.host} answered 409 DENIED: ${errors[0]?.message}.\n`,
    ]);
  });
});

test("quota list tells of each quota in a line; of none it says so", async () => {
  const quotas = [
    { name: "alice", owner: "alice", allowed: 1000, used: 2000 },
    { name: "team", repositories: "team/**", allowed: 1000, used: 999 },
  ];
  registry.reply = (_, response) => json(response, 200, { quotas });
  expect((await quota("list")).stdout).toBe(
    "alice: the repositories of alice may hold 1.0 kB, and hold more, 2.0 kB\n" +
      "team: team/** may hold 1.0 kB, and hold 999 B\n",
  );
  registry.reply = (_, response) => json(response, 200, { quotas: [] });
  expect(await quota("list")).toEqual({ code: 0, stdout: "", stderr: "There are no quotas.\n" });
});

test("quota remove names the quota as it is", async () => {
  registry.reply = (_, response) => {
    response.writeHead(204).end();
  };
  expect(await quota("remove", "a/b")).toEqual({ code: 0, stdout: "", stderr: "a/b is removed.\n" });
  expect(asked()).toEqual([{ method: "DELETE", url: "/v2/_berth/quotas/a%2Fb", body: "" }]);
});

describe("usage", () => {
  const SMALL = { repository: "small", owner: null, bytes: 5, blobs: 1, manifests: 0 };
  const PART = { repository: "team/app", owner: "bob", bytes: 600_000, blobs: 7, manifests: 1 };

  beforeEach(() => {
    registry.reply = ({ url }, response) =>
      json(
        response,
        200,
        url?.includes("last=")
          ? { repositories: [PART], next: null }
          : { repositories: [SMALL, { ...PART, manifests: 0 }], next: '[1,"a",2,"b"]' },
      );
  });

  test("adds up what comes in parts, and lists the largest first", async () => {
    expect(await run("usage")).toEqual({
      code: 0,
      stderr: "",
      stdout: "   1.2 MB  team/app  of bob  14 blobs, 1 manifest\n      5 B  small  1 blob, 0 manifests\n",
    });
    expect(registry.asked.map(({ url }) => decodeURIComponent(url ?? ""))).toEqual([
      "/v2/_berth/usage",
      '/v2/_berth/usage?last=[1,"a",2,"b"]',
    ]);
  });

  test("prints JSON lines", async () => {
    const { stdout } = await run("usage", "--json");
    const lines = stdout.trimEnd().split("\n");
    const whole = { ...PART, bytes: 1_200_000, blobs: 14 };
    expect(lines.map((line) => JSON.parse(line))).toEqual([whole, SMALL]);
  });

  test("says so when there is nothing, and what the registry refuses", async () => {
    registry.reply = (_, response) => json(response, 200, { repositories: [], next: null });
    expect(await run("usage")).toEqual({
      code: 0,
      stdout: "",
      stderr: "There is nothing in this registry.\n",
    });
    registry.reply = (_, response) =>
      json(response, 403, { errors: [{ code: "DENIED", message: "alice is no administrator" }] });
    expect(await run("usage")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("403 DENIED"),
    });
  });

  test("ends when a registry sends it round in circles", async () => {
    registry.reply = (_, response) => json(response, 200, { repositories: [], next: "[1]" });
    expect((await run("usage")).code).toBe(1);
    expect(registry.asked).toHaveLength(2);
  });
});
