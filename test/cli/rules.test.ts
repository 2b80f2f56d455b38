/** `berth user rules` and `rotate-key`, with the real wrangler on local state. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
const RULE = {
  issuer: "https://token.actions.githubusercontent.com",
  claims: { sub: "repo:acme/app:ref:refs/heads/main" },
  access: [{ repositories: ["acme/app"], actions: ["pull", "push"] }],
};

// wrangler takes seconds to start.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(
  script: string,
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((ended, failed) => {
    const child = spawn(process.execPath, [join(ROOT, script), ...args], {
      cwd: ROOT,
      env: { ...process.env, BERTH_STATE: join(folder, "state"), CI: "true", NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (data: string) => {
      said.stdout += data;
    });
    child.stderr.setEncoding("utf8").on("data", (data: string) => {
      said.stderr += data;
    });
    child.once("error", failed).once("close", (code) => ended({ code, ...said }));
  });
}

const user = (...args: string[]) => run("src/cli/main.ts", "user", ...args);

function wrangler(...args: string[]) {
  const local = ["--local", "--persist-to", join(folder, "state")];
  return run("node_modules/wrangler/bin/wrangler.js", ...args, ...local);
}

function file(content: unknown): string {
  const path = join(folder, "rules.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

describe("rules", () => {
  test("are checked without being stored, and each that is wrong is named", async () => {
    expect(await user("rules", "--check", file({ main: RULE }))).toMatchObject({ code: 0 });
    const wrong = {
      main: RULE,
      "a b": RULE,
      all: { ...RULE, claims: { sub: "**" } },
      typo: { ...RULE, acces: [] },
    };
    const { code, stderr } = await user("rules", "--check", file(wrong));
    expect(code).toBe(2);
    for (const part of [
      "rule a b: its name",
      "rule all: claims must say more",
      "rule typo: acces is not known",
    ])
      expect(stderr).toContain(part);
    for (const content of ["", "[]", "{"])
      expect((await user("rules", "--check", file(content))).code).toBe(2);
    expect((await user("rules")).code).toBe(2);
  });

  test("are what the imported file says, and no others; they are no users", async () => {
    await user("rules", "--import", file({ main: RULE, old: RULE }));
    const { code, stdout } = await user("rules", "--import", file({ main: RULE, next: RULE }));
    expect([code, stdout]).toEqual([0, "main: stored\nnext: new\nold: removed\n"]);
    const { stdout: keys } = await wrangler("kv", "key", "list", "--binding", "USERS");
    expect(JSON.parse(keys).map(({ name }: { name: string }) => name)).toEqual(["rule/main", "rule/next"]);
    expect((await user("list")).stdout).toBe("");
    expect((await user("rules", "--import", file({ main: {} }))).code).toBe(2);
    expect(JSON.parse((await wrangler("kv", "key", "list", "--binding", "USERS")).stdout)).toHaveLength(2);
  });
});

test("a removed user leaves a mark, so that tokens do not live again with another of this name", async () => {
  const hash = "$2y$10$abcdefghijklmnopqrstuuVZxC3HnFwkQ1cQyTn0u9dEkT2m3V8Ge";
  await wrangler("kv", "key", "put", "mallory", hash, "--binding", "USERS");
  const before = Date.now();
  expect((await user("remove", "mallory")).code).toBe(0);
  const mark = ["kv", "key", "get", "revoked/mallory", "--text", "--binding", "USERS"];
  expect(Number((await wrangler(...mark)).stdout)).toBeGreaterThanOrEqual(before);
});

describe("rotate-key", () => {
  async function query(sql: string) {
    const { stdout } = await wrangler("d1", "execute", "DB", "--json", "--command", sql);
    return JSON.parse(stdout)[0].results;
  }
  const keys = (): Promise<{ id: number; secret: string }[]> =>
    query("SELECT id, secret FROM signing_keys ORDER BY id");

  test("adds a key and keeps the one before, unless it is to end at once", async () => {
    await wrangler("d1", "migrations", "apply", "DB");
    expect((await user("rotate-key")).code).toBe(0);
    const [first] = await keys();
    expect(first?.secret).toMatch(/^[0-9a-f]{64}$/);
    for (let times = 0; times < 2; times++) await user("rotate-key");
    expect((await keys()).map(({ id }) => id)).toEqual([2, 3]);
    const { stdout, stderr } = await user("rotate-key", "--now");
    const [only, ...others] = await keys();
    expect([only?.id, others]).toEqual([4, []]);
    expect(stdout + stderr).not.toContain(only?.secret);
    expect(await query("SELECT action, detail FROM audit_events ORDER BY at")).toEqual(
      [false, false, false, true].map((now) => ({ action: "rotate-key", detail: JSON.stringify({ now }) })),
    );
  });

  test("makes one key where the database has no trail yet, and says that it is not told of", async () => {
    await query("DROP TABLE audit_events");
    const before = await keys();
    const { code, stderr } = await user("rotate-key");
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^The audit trail does not tell of it: /)]);
    expect(await keys()).toHaveLength(before.length + 1);
  });
});
