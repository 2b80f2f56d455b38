/** Completion, in the shells themselves: they are asked what they would offer. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMMANDS } from "../../src/cli/commands.ts";
import { runBerth } from "./support/program.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Not everybody has every shell; where all tests are run, they are there. */
const isMissing = (shell: string): boolean => !process.env.CI && !existsSync(`/usr/bin/${shell}`);

async function write(shell: string, file: string): Promise<string> {
  const { code, stdout } = await runBerth(["completion", shell]);
  expect(code).toBe(0);
  writeFileSync(join(folder, file), stdout);
  return stdout;
}

function ask(program: string, args: string[]): string[] {
  const env = { ...process.env, HOME: folder, TERM: "dumb" };
  return execFileSync(program, args, { env, timeout: 30_000 }).toString().trim().split("\n");
}

describe("in bash", () => {
  const script = join(folder, "completion.bash");
  beforeAll(() => write("bash", "completion.bash"));

  function complete(...words: string[]): string[] {
    const line = `source ${script}; COMP_WORDS=(berth ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}; _berth || true; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return ask("bash", ["-euc", line]);
  }

  test("commands, their commands and their options are completed", () => {
    expect(complete("us")).toEqual(["user", "usage"]);
    expect(complete("user", "p")).toEqual(["passwd"]);
    expect(complete("user", "--remote", "gr")).toEqual(["grant"]);
    expect(complete("user", "add", "--we")).toEqual(["--weak"]);
    expect(complete("gc", "--dry")).toEqual(["--dry-run"]);
    expect(complete("completion", "z")).toEqual(["zsh"]);
    expect(complete("push", "ar")).toEqual([""]);
  });
});

describe.skipIf(isMissing("fish"))("in fish", () => {
  beforeAll(() => write("fish", "berth.fish"));

  function complete(line: string): string[] {
    return ask("fish", ["--no-config", "-c", `source ${join(folder, "berth.fish")}; complete -C '${line}'`]);
  }

  test("they are completed, with what each is for", () => {
    expect(complete("berth us")).toEqual(["usage\twho holds what", "user\tusers, and what they may do"]);
    expect(complete("berth user p")).toEqual(["passwd\tchange a password"]);
    expect(complete("berth user --remote gr")).toEqual(["grant\tadd to a user's rights"]);
    expect(complete("berth user add --we")).toEqual(["--weak\ttake a password of fewer than 8 characters"]);
    expect(complete("berth completion z")).toEqual(["zsh"]);
  });
});

describe.skipIf(isMissing("zsh"))("in zsh", () => {
  beforeAll(() => write("zsh", "_berth"));

  test("they are completed as they are typed", () => {
    const typed = {
      "berth pol": "berth policy ",
      "berth us": "berth us",
      "berth user p": "berth user passwd ",
      "berth user --remote gr": "berth user --remote grant ",
      "berth user add --we": "berth user add --weak ",
      "berth completion z": "berth completion zsh ",
    };
    const script = join(import.meta.dirname, "support/complete.zsh");
    const shown = ask("zsh", ["-f", script, folder, ...Object.keys(typed)]);
    expect(shown.map((line) => line.trimEnd())).toEqual(Object.values(typed).map((line) => line.trimEnd()));
  });
});

test.each(["zsh", "fish"])("the script for %s names every command and option", async (shell) => {
  const script = await write(shell, `all.${shell}`);
  for (const { name } of COMMANDS) expect(script).toContain(`'${name}`);
  for (const option of ["mount-from", "dry-run", "password-stdin"]) expect(script).toContain(option);
});
