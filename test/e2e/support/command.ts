/** Runs other programs to their end. */

import { spawn } from "node:child_process";
import { type CommandOptions, signalGroup } from "./process-group.ts";

export type { CommandOptions } from "./process-group.ts";

export interface Result {
  /** Null when a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. Never throws for what the program says. */
export function attempt(program: string, args: string[], options: CommandOptions = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const result: Result = { code: null, stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8");
      child[stream].on("data", (data: string) => {
        result[stream] += data;
      });
    }
    const tooLong = setTimeout(() => signalGroup(child, "SIGKILL"), options.timeout ?? 120_000);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(tooLong);
      resolve({ ...result, code });
    });
  });
}

/** Runs a program that must succeed. @returns its standard output, trimmed */
export async function run(program: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await attempt(program, args, options);
  if (code === 0) return stdout.trim();
  throw new Error(`${program} ${args.join(" ")}\nended with ${code ?? "a signal"}\n${stdout}\n${stderr}`);
}
