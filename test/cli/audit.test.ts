/** `berth audit`, against a registry that answers as it is told. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ending, runBerth } from "./support/program.ts";
import { json, ScriptedServer } from "./support/scripted-server.ts";

const [OLD, NEW] = [`sha256:${"0".repeat(64)}`, `sha256:${"1".repeat(64)}`];

const MOVE = {
  ...{ id: "1/tag/v1", at: Date.UTC(2026, 10, 24, 8), actor: "alice", credential: `token ${"a".repeat(64)}` },
  ...{ address: "192.0.2.7", userAgent: "docker/28.0", action: "move-tag", outcome: "done" },
  ...{ repository: "team/app", reference: "v1", oldDigest: OLD, newDigest: NEW, detail: null },
};
const FAILED = {
  ...{ id: "2/log-in", at: Date.UTC(2026, 10, 24, 7), actor: null, credential: "password" },
  ...{ address: "192.0.2.8", userAgent: "evil\u001b[2J", action: "log-in", outcome: "failed" },
  ...{ repository: null, reference: "alice", oldDigest: null, newDigest: null, detail: { untold: 0 } },
};

let registry: ScriptedServer;
beforeEach(async () => {
  registry = await new ScriptedServer().listen();
  registry.reply = ({ url }, response) =>
    json(
      response,
      200,
      url?.includes("last=") ? { events: [FAILED], next: null } : { events: [MOVE], next: "5.1/tag/v1" },
    );
});
afterEach(() => registry.close());

function audit(...args: string[]): Promise<Ending> {
  const login = ["--registry", registry.origin, "--username", "admin", "--password-stdin"];
  return runBerth(["audit", ...args, ...login], { input: "a password" });
}

const queries = () =>
  registry.asked.map(({ url }) => Object.fromEntries(new URL(url, "http://x").searchParams));

test("prints a line for each event, of all pages; what a client says of itself moves no cursor", async () => {
  expect(await audit()).toEqual({
    code: 0,
    stderr: "",
    stdout:
      `2026-11-24T08:00:00.000Z  alice by token  move-tag  team/app:v1  ${OLD} → ${NEW}  from 192.0.2.7 docker/28.0\n` +
      "2026-11-24T07:00:00.000Z  nobody  log-in (failed)  alice  from 192.0.2.8 evil?[2J\n",
  });
  expect(queries()).toEqual([{ n: "1000" }, { n: "1000", last: "5.1/tag/v1" }]);
});

test("says of what was done at a command line that it was", async () => {
  const event = {
    ...{ ...FAILED, actor: "desk#alice", credential: "command line", address: null },
    ...{ userAgent: null, action: "add-user", outcome: "done" },
  };
  registry.reply = (_, response) => json(response, 200, { events: [event], next: null });
  expect((await audit()).stdout).toBe(
    "2026-11-24T07:00:00.000Z  desk#alice at the command line  add-user  alice\n",
  );
});

test("prints JSON lines, with all that the registry tells", async () => {
  const { stdout } = await audit("--json");
  expect(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([MOVE, FAILED]);
});

test("asks for what is wanted, on every page", async () => {
  const before = Date.now();
  await audit("--repository", "team/app", "--actor", "alice", "--action", "move-tag", "--since", "7d");
  for (const query of queries()) {
    expect(query).toMatchObject({ repository: "team/app", actor: "alice", action: "move-tag" });
    const since = Number(query.since) + 7 * 86_400_000;
    expect(since).toBeGreaterThanOrEqual(before);
    expect(since).toBeLessThanOrEqual(Date.now());
  }
  expect(queries()).toHaveLength(2);
});

describe("says so", () => {
  test("when there is nothing", async () => {
    registry.reply = (_, response) => json(response, 200, { events: [], next: null });
    expect(await audit()).toEqual({ code: 0, stdout: "", stderr: "There are no such events.\n" });
  });

  test("when a span of time is none, and asks nothing", async () => {
    expect((await audit("--since", "yesterday")).code).toBe(2);
    expect(registry.asked).toEqual([]);
  });

  test("when the registry refuses", async () => {
    const errors = [{ code: "DENIED", message: "alice is no administrator" }];
    registry.reply = (_, response) => json(response, 403, { errors });
    expect(await audit()).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("403 DENIED"),
    });
  });
});
