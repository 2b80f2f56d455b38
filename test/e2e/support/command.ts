/** Runs other programs: to their end, or in the background with their output in a file. */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export interface CommandOptions {
  cwd?: string;
  /** Added to this process's own. */
  env?: Record<string, string>;
  /** Milliseconds. */
  timeout?: number;
}

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
      timeout: options.timeout ?? 150_000,
      killSignal: "SIGKILL",
    });
    const result: Result = { code: null, stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8");
      child[stream].on("data", (data: string) => {
        result[stream] += data;
      });
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ ...result, code }));
  });
}

/** Runs a program that must succeed. @returns its standard output, trimmed */
export async function run(program: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await attempt(program, args, options);
  if (code === 0) return stdout.trim();
  throw new Error(`${program} ${args.join(" ")}\nended with ${code ?? "a signal"}\n${stdout}\n${stderr}`);
}

/** A program in the background, the leader of its own process group, so that nothing it starts outlives it. */
export class Service {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly logFile: string;
  readonly #killAtExit = () => this.#signal("SIGKILL");

  constructor(program: string, args: string[], logFile: string, options: CommandOptions = {}) {
    this.#name = program;
    this.logFile = logFile;
    const log = openSync(logFile, "a");
    this.#child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    process.once("exit", this.#killAtExit);
  }

  get log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Waits until `isReady` says so. @throws with the log when the program ends before, or takes too long */
  async ready(isReady: () => Promise<boolean>, timeout = 60_000): Promise<void> {
    const deadline = Date.now() + timeout;
    while (!(await isReady().catch(() => false))) {
      if (this.#child.exitCode !== null) throw new Error(`${this.#name} ended early:\n${this.log}`);
      if (Date.now() > deadline)
        throw new Error(`${this.#name} is not ready after ${timeout} ms:\n${this.log}`);
      await sleep(50);
    }
  }

  /** Asks the program to end, as Ctrl-C would. @throws when a process of its group is left after 20 seconds */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#signal(signal);
    if (await this.#isGone(20_000)) return;
    await this.kill();
    throw new Error(`${this.#name} did not end on ${signal}:\n${this.log}`);
  }

  /** Ends the program and all that it started without any warning, as a power cut would. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#isGone(10_000);
  }

  async #isGone(timeout: number): Promise<boolean> {
    const deadline = Date.now() + timeout;
    while (this.#signal(0)) {
      if (Date.now() > deadline) return false;
      await sleep(20);
    }
    process.off("exit", this.#killAtExit);
    return true;
  }

  /** @returns whether any process of the group is left */
  #signal(signal: NodeJS.Signals | 0): boolean {
    try {
      return process.kill(-this.pid, signal);
    } catch {
      return false;
    }
  }
}
