/** `berth` as one program: what it lists, what it loads, how it ends, and what a shell completes of it. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { afterAll, describe, expect, test } from "vitest";
import { COMMANDS, loadAll } from "../../src/cli/commands.ts";
import { parseRegistry } from "../../src/cli/registry-address.ts";
import { runBerth } from "./support/program.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "berth-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the program", () => {
  test("lists each command once, with what it is for", async () => {
    const { code, stdout } = await runBerth(["--help"]);
    expect(code).toBe(0);
    for (const { name, summary } of COMMANDS) {
      expect(stdout.match(new RegExp(`^  ${name} .*${summary.slice(0, 20)}`, "gm"))).toHaveLength(1);
    }
  });

  test("explains each command under its own name", async () => {
    expect((await runBerth(["help", "gc"])).stdout).toMatch(/^Usage: berth gc /);
    const program = new Command("berth");
    for (const command of await loadAll()) {
      program.addCommand(command);
      expect(command.helpInformation()).toMatch(new RegExp(`^Usage: berth ${command.name()} `));
    }
  });

  test("says its version", async () => {
    expect(await runBerth(["--version"])).toMatchObject({ code: 0, stdout: "0.1.0\n" });
  });

  test.each([["nothing"], ["push", "--nothing"], ["user", "nothing"], ["user", "add"]])(
    "refuses %s %s, and says where help is",
    async (...args) => {
      const { code, stdout, stderr } = await runBerth(args);
      expect([code, stdout, stderr]).toEqual([2, "", expect.stringContaining("(--help explains)")]);
    },
  );

  test("loads neither wrangler nor other commands for a push", async () => {
    const hook = join(folder, "hook.mjs");
    writeFileSync(
      hook,
      `import { registerHooks } from "node:module";
registerHooks({ load(url, context, next) { console.error("loaded " + url); return next(url, context); } });`,
    );
    expect(registerHooks).toBeTypeOf("function");
    const { stderr } = await runBerth(["push", "--help"], { env: { NODE_OPTIONS: `--import ${hook}` } });
    const loaded = stderr.split("\n").filter((line) => line.startsWith("loaded file:"));
    expect(loaded.some((line) => line.endsWith("push/command.ts"))).toBe(true);
    expect(
      loaded.filter((line) => /wrangler|bcryptjs|\/cli\/(user|start|deploy|relay\/server)/.test(line)),
    ).toEqual([]);
  });

  test("has an npm script of the same name for what administers a registry", () => {
    const { scripts } = JSON.parse(execFileSync("cat", [join(ROOT, "package.json")]).toString());
    for (const [name, script] of Object.entries(scripts)) {
      if (!String(script).startsWith("node src/cli/") || name === "prepack") continue;
      expect(script).toBe(`node src/cli/berth.js ${name}`);
      expect(COMMANDS.map((command) => command.name)).toContain(name);
    }
  });
});

describe("a registry's name", () => {
  test.each([
    ["registry.example.com", "https://registry.example.com"],
    ["registry.example.com:8443", "https://registry.example.com:8443"],
    ["http://registry.example.com", "http://registry.example.com"],
    ["https://registry.example.com/", "https://registry.example.com"],
    ["127.0.0.1:5000", "http://127.0.0.1:5000"],
    ["localhost:5000", "http://localhost:5000"],
    ["https://localhost:5000", "https://localhost:5000"],
    ["[::1]:5000", "http://[::1]:5000"],
  ])("%s is %s", (text, origin) => {
    expect(parseRegistry(text).origin).toBe(origin);
  });

  test.each([
    "",
    "http://",
    "ftp://a",
    "a b",
    "registry.example.com/team",
    "https://user:secret@registry.example.com",
    "a?b",
    "registry:port",
  ])("%s is none", (text) => {
    expect(() => parseRegistry(text)).toThrow(/address/);
  });
});
