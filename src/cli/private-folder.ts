/** Folders that no other user of this machine looks into. */

import { chmod, mkdir } from "node:fs/promises";

/** Makes a folder where there is none, and closes it to others, one that was there before too. */
export async function makePrivateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
}
