/** `berth gc`, against a registry that answers as it is told: credentials, options, reports. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { write } from "./support/images.ts";
import { type Ending, runBerth } from "./support/program.ts";
import { json, ScriptedServer } from "./support/scripted-server.ts";

const REPORT = {
  startedAt: 0,
  duration: 1500,
  dryRun: false,
  outcome: "completed",
  error: null,
  taken: { links: { count: 1, bytes: 0 }, blobs: { count: 2, bytes: 3_000_000 } },
  unfinished: [],
  objectsDeleted: 2,
  entries: [],
};
const basic = `Basic ${Buffer.from("root:p:w").toString("base64")}`;
let registry: ScriptedServer;
let folder: string;

beforeEach(async () => {
  registry = await new ScriptedServer().listen();
  registry.reply = (_, response) => json(response, 200, REPORT);
  folder = mkdtempSync(join(tmpdir(), "berth-test-"));
});
afterEach(() => {
  registry.close();
  rmSync(folder, { recursive: true });
});

function gc(args: string[], input = ""): Promise<Ending> {
  return runBerth(["gc", "--registry", registry.origin, ...args], {
    input,
    env: { DOCKER_CONFIG: folder },
  });
}

function dockerKnows(auth: Record<string, string>): void {
  write(folder, "config.json", JSON.stringify({ auths: { [registry.host]: auth } }));
}

describe("credentials", () => {
  test.each([
    ["passwords", 'Basic realm="Berth"'],
    ["tokens", 'Bearer realm="https://elsewhere.example/v2/token",service="berth"'],
  ])("of docker's go as a password to a registry of %s", async (_, challenge) => {
    dockerKnows({ auth: Buffer.from("root:p:w").toString("base64") });
    registry.reply = ({ authorization }, response) => {
      if (authorization === basic) return json(response, 200, REPORT);
      return json(response, 401, {}, { "WWW-Authenticate": challenge });
    };
    expect(await gc([])).toMatchObject({ code: 0, stderr: "" });
  });

  test("are taken from standard input, as push takes them", async () => {
    const { code } = await gc(["--username", "root", "--password-stdin"], "p:w\n");
    expect([code, registry.asked[0]?.authorization]).toEqual([0, basic]);
    for (const half of [["--username", "root"], ["--password-stdin"]]) {
      expect(await gc(half)).toMatchObject({
        code: 2,
        stderr: "berth: --username and --password-stdin go together.\n",
      });
    }
  });

  test("that are no password are of no use to an administrator, and it says so", async () => {
    dockerKnows({ identitytoken: "i" });
    const { code, stderr } = await gc([]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^berth: Docker keeps no password for 127/)]);
    expect(registry.asked).toEqual([]);
  });

  test("that are refused are said to be, in the registry's words", async () => {
    const message = "root is no administrator";
    registry.reply = (_, response) => json(response, 403, { errors: [{ code: "DENIED", message }] });
    const { code, stderr } = await gc([]);
    expect([code, stderr]).toEqual([1, `berth: ${registry.host} answered 403 DENIED: ${message}.\n`]);
  });
});

describe("a run", () => {
  test("is asked for as the options say", async () => {
    await gc([]);
    await gc(["--dry-run"]);
    await gc(["--force", "--adopt"]);
    expect(registry.asked.map(({ url }) => url)).toEqual([
      "/v2/_berth/gc",
      "/v2/_berth/gc?dry-run=true",
      "/v2/_berth/gc?force=true&adopt=true",
    ]);
  });

  test.each([
    // As a registry of an earlier version has it.
    [{}, null],
    [{ nearlyFull: false }, null],
    [
      { nearlyFull: true },
      "\nThe database is nearly full: 8.1 GB of 10.0 GB. Once it is full, pushes are refused.\n",
    ],
  ])("a database of which the registry says %j: %j", async (told, said) => {
    const database = { bytes: 8_100_000_000, limit: 10_000_000_000, ...told };
    registry.reply = (_, response) => json(response, 200, { ...REPORT, database });
    const { stdout } = await gc([]);
    if (said === null) expect(stdout).not.toContain("nearly full");
    else expect(stdout).toContain(said);
  });

  test("tells what waits to be deleted, and which steps failed", async () => {
    const waiting = { count: 12, bytes: 3_400_000_000 };
    const failures = [{ step: "orphans", error: "the bucket is another registry's" }];
    registry.reply = (_, response) => json(response, 200, { ...REPORT, waiting, failures });
    const { code, stdout } = await gc([]);
    expect(code).toBe(1);
    expect(stdout).toContain("\nwaiting  12 objects  3.4 GB\n");
    expect(stdout).toContain("\nfailed: orphans: the bucket is another registry's\n");
  });

  test("of a registry that tells neither is printed all the same", async () => {
    const { code, stdout } = await gc([]);
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining("completed in 1.5 s, 2 objects deleted, freed 3.0 MB"),
    ]);
    expect(stdout).not.toMatch(/waiting|failed/);
  });
});

describe("an end", () => {
  test("by a registry that is away, or none, is one line", async () => {
    registry.reply = (_, response) => response.end("<h1>hello</h1>");
    expect(await gc([])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^berth: .*is no Berth registry.*\n$/),
    });
    registry.close();
    expect(await gc([])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^berth: Cannot reach .*\n$/),
    });
  });

  test("by wrong arguments is exit code 2", async () => {
    expect((await gc(["--nonsense"])).code).toBe(2);
    expect((await gc(["--registry", "ftp://x"])).code).toBe(2);
    expect((await gc(["--help"])).code).toBe(0);
  });
});
