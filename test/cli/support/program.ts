/** Runs `berth` as its user does, to its end. */

import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";

export interface Ending {
  /** Null when a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Surroundings {
  input?: string;
  /** Added to this process's own. */
  env?: Record<string, string>;
}

export const MAIN = resolve(import.meta.dirname, "../../../src/cli/main.ts");

/** @param args like ["gc", "--dry-run"] */
export function startBerth(args: string[], { env }: Surroundings = {}): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
}

/** What a program says, and how it ends. */
export async function ending(child: ChildProcess): Promise<Ending> {
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout!), text(child.stderr!), closed]);
  return { code, stdout, stderr };
}

export function runBerth(args: string[], around: Surroundings = {}): Promise<Ending> {
  const child = startBerth(args, around);
  child.stdin?.on("error", () => {});
  child.stdin?.end(around.input ?? "");
  return ending(child);
}
