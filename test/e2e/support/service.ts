/** Programs in the background, with their output in a file. */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type CommandOptions, isGroupAlive, signalGroup } from "./process-group.ts";

/** How much of a log is worth showing. Characters. */
const LOG_EXCERPT = 10_000;

export class Service {
  readonly logFile: string;
  readonly #program: string;
  readonly #child: ChildProcess;
  readonly #killAtExit = () => signalGroup(this.#child, "SIGKILL");
  #error: Error | null = null;
  /** Whether it was told to end. */
  #told = false;

  constructor(program: string, args: string[], logFile: string, options: CommandOptions = {}) {
    this.logFile = logFile;
    this.#program = program;
    const log = openSync(logFile, "a");
    this.#child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    this.#child.once("error", (error) => {
      this.#error = error;
    });
    process.once("exit", this.#killAtExit);
  }

  /** Of the program itself, and of its process group. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  /** Waits until `isReady` says so. @throws with the log when the program ends before, or takes too long */
  async ready(isReady: () => Promise<boolean>, timeout = 60_000): Promise<void> {
    const deadline = Date.now() + timeout;
    // What accepts connections may still answer none.
    const asked = () => Promise.race([isReady().catch(() => false), sleep(10_000, false, { ref: false })]);
    while (!(await asked())) {
      if (this.#error !== null) throw this.#error;
      if (this.#hasEnded) throw this.#failure("ended early");
      if (Date.now() > deadline) throw this.#failure("does not get ready");
      await sleep(50);
    }
  }

  /**
   * Ends the program in order, and waits for that.
   * @throws with the log when it had ended by itself, or when a process of its group is left after 20 seconds
   */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.#hasEnded && !this.#told) throw this.#failure("ended by itself");
    this.#told = true;
    signalGroup(this.#child, signal);
    if (await this.#isGone(20_000)) return;
    await this.kill();
    throw this.#failure(`did not end on ${signal}`);
  }

  /** Ends the program and all that it started without any warning, as a power cut would. */
  async kill(): Promise<void> {
    this.#told = true;
    signalGroup(this.#child, "SIGKILL");
    await this.#isGone(10_000);
  }

  #failure(what: string): Error {
    const { exitCode, signalCode } = this.#child;
    return new Error(
      `${this.#program} ${what} (${signalCode ?? exitCode}):\n${this.log.slice(-LOG_EXCERPT)}`,
    );
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async #isGone(timeout: number): Promise<boolean> {
    const deadline = Date.now() + timeout;
    while (isGroupAlive(this.#child)) {
      if (Date.now() > deadline) return false;
      await sleep(20);
    }
    process.off("exit", this.#killAtExit);
    return true;
  }
}
