/** One registry at a time serves a folder of state: an upload's Durable Object must not live in two of them. */

import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Holds a folder until this process ends, however it ends: the lock is the operating system's, on a file of SQLite's.
 * @throws Error when another process holds it
 */
export function holdState(folder: string): void {
  const lock = new DatabaseSync(join(folder, "lock"));
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (!/locked/.test(String(error))) throw error;
    throw new Error(
      `another npm start serves ${folder}. End that one, or choose another folder by BERTH_STATE.`,
    );
  }
  held.push(lock);
}

/** Nothing else refers to them, and the collector of garbage would close them. */
const held: DatabaseSync[] = [];
