/** What a killed workerd has left in the folder of objects. */

import { mkdirSync, mkdtempSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { removeUnfinished } from "../../src/cli/local-objects.ts";

const NOW = Date.now();

/** A folder of files that were last written a minute before NOW, and those of `young`, a minute behind. */
function folderOf(old: string[], young: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "berth-objects-"));
  for (const path of [...old, ...young]) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), "bytes");
    const at = new Date(NOW + (young.includes(path) ? 60_000 : -60_000));
    utimesSync(join(folder, path), at, at);
  }
  return folder;
}

test("files that were being written when workerd was killed go, and none that is being written, or an object's", async () => {
  const unfinished = ["stored/blobs/a~/.ab_4c.123.4.tmp", "parts/one/.2.123.5.tmp"];
  const kept = ["stored/blobs/a~/ab_4c", "stored/blobs/a~/abc.parts", "parts/one/1", "parts/one/begun"];
  const young = ["stored/blobs/b~/.bc.124.1.tmp"];
  const folder = folderOf([...unfinished, ...kept], young);
  await removeUnfinished(folder, NOW);
  const left = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1));
  expect(left.sort()).toEqual([...kept, ...young].sort());
});

test("a folder that is not there has nothing to remove", async () => {
  await removeUnfinished(join(tmpdir(), "berth-no-such-folder"), NOW);
});
