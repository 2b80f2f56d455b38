/** `berth user rules` and `rotate-key`, on a stand-in for Cloudflare's API. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Cloudflare } from "./support/cloudflare.ts";
import { type Ending, runBerth } from "./support/program.ts";

const RULE = {
  issuer: "https://token.actions.githubusercontent.com",
  claims: { sub: "repo:acme/app:ref:refs/heads/main" },
  access: [{ repositories: ["acme/app"], actions: ["pull", "push"] }],
};

let folder: string;
let cloudflare: Cloudflare;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "berth-test-"));
  cloudflare = (await Cloudflare.listen()).deployed().migrated();
});
afterEach(() => {
  cloudflare.close();
  rmSync(folder, { recursive: true, force: true });
});

const user = (...args: string[]): Promise<Ending> =>
  runBerth(["user", ...args, "--remote"], { env: cloudflare.env });

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
    expect(cloudflare.log).toEqual([]);
  });

  test("are what the imported file says, and no others; they are no users", async () => {
    await user("rules", "--import", file({ main: RULE, old: RULE }));
    cloudflare.listed = ["rule/main", "rule/old"];
    const { code, stdout } = await user("rules", "--import", file({ main: RULE, next: RULE }));
    expect([code, stdout]).toEqual([0, "main: stored\nnext: new\nold: removed\n"]);
    expect([...cloudflare.values.keys()]).toEqual(["rule/main", "rule/next"]);
    cloudflare.listed = ["rule/main", "rule/next"];
    expect((await user("list")).stdout).toBe("");
    expect((await user("rules", "--import", file({ main: {} }))).code).toBe(2);
    expect(cloudflare.values.size).toBe(2);
  });
});

test("a removed user leaves a mark, so that tokens do not live again with another of this name", async () => {
  cloudflare.values.set("mallory", "$2y$10$abcdefghijklmnopqrstuuVZxC3HnFwkQ1cQyTn0u9dEkT2m3V8Ge");
  const before = Date.now();
  expect((await user("remove", "mallory")).code).toBe(0);
  expect(cloudflare.values.has("mallory")).toBe(false);
  expect(Number(cloudflare.values.get("revoked/mallory"))).toBeGreaterThanOrEqual(before);
});

describe("rotate-key", () => {
  const query = (sql: string): Record<string, unknown>[] =>
    (cloudflare.database?.prepare(sql).all() ?? []).map((row) => ({ ...row }));
  const keys = () =>
    query("SELECT id, secret FROM signing_keys ORDER BY id") as { id: number; secret: string }[];

  test("adds a key and keeps the one before, unless it is to end at once", async () => {
    expect((await user("rotate-key")).code).toBe(0);
    const [first] = keys();
    expect(first?.secret).toMatch(/^[0-9a-f]{64}$/);
    for (let times = 0; times < 2; times++) await user("rotate-key");
    expect(keys().map(({ id }) => id)).toEqual([2, 3]);
    const { stdout, stderr } = await user("rotate-key", "--now");
    const [only, ...others] = keys();
    expect([only?.id, others]).toEqual([4, []]);
    expect(stdout + stderr).not.toContain(only?.secret);
    expect(query("SELECT action, detail FROM audit_events ORDER BY at")).toEqual(
      [false, false, false, true].map((now) => ({ action: "rotate-key", detail: JSON.stringify({ now }) })),
    );
  });

  test("makes one key where the database has no trail yet, and says that it is not told of", async () => {
    cloudflare.database?.exec("DROP TABLE audit_events");
    const { code, stderr } = await user("rotate-key");
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^The audit trail does not tell of it: /)]);
    expect(keys()).toHaveLength(1);
  });
});
