/** Programs are started as leaders of a process group of their own, so that what they start ends with them. */

import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

export interface CommandOptions {
  cwd?: string;
  /** Added to this process's own. */
  env?: Record<string, string>;
  /** Milliseconds. */
  timeout?: number;
}

export function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}

/** A group of zombies is not alive: in a container, nobody may be there to bury them. */
export function isGroupAlive({ pid: leader }: ChildProcess): boolean {
  return leader !== undefined && membersOf(leader).length > 0;
}

/** The ids of a group's processes. */
export function membersOf(leader: number): string[] {
  return pids().filter((pid) => {
    try {
      // "pid (name) state parent group …", and the name may contain anything.
      const [state, , group] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      return Number(group) === leader && state !== "Z";
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}

/** Ends what a test that failed has left behind: every process that was told of this folder. */
export function killUsersOf(folder: string): void {
  for (const pid of pids()) {
    try {
      const told = ["cmdline", "environ"].map((file) => readFileSync(`/proc/${pid}/${file}`, "utf8"));
      if (Number(pid) !== process.pid && told.join().includes(folder)) process.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended meanwhile.
    }
  }
}

function pids(): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
}
