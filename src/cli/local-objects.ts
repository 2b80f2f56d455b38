/** The folder in which `npm start` has its objects: what a killed workerd leaves there. */

import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** workerd writes beside the file that is to be, under a name that it shows nobody, and renames that at the end. */
const UNFINISHED = /^\..+\.tmp$/;

/**
 * Removes files that were being written when workerd was killed.
 * @param before those that were last written earlier: others may be under way. Milliseconds since the epoch
 */
export async function removeUnfinished(folder: string, before: number): Promise<void> {
  // A folder may go meanwhile, and so may a file. What stays is for the next start.
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await removeUnfinished(path, before);
    else if (UNFINISHED.test(entry.name) && (await writtenAt(path)) < before) await rm(path).catch(() => {});
  }
}

async function writtenAt(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.mtimeMs ?? Infinity;
}
