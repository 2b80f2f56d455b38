/** Programs that are ended by a signal: they leave nothing behind, and their exit code says which one it was. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ending, startBerth } from "./support/program.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.each([
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s", (signal, code) => {
  test("ends a push that reads its archive, and removes what it had of it", async () => {
    const child = startBerth(["push", "-", "127.0.0.1:1/app:1"], {
      env: { TMPDIR: folder, DOCKER_CONFIG: folder },
    });
    child.stdin?.write("the beginning of an archive");
    const ended = ending(child);
    await expect.poll(() => readdirSync(folder)).toHaveLength(1);
    child.kill(signal);
    expect(await ended).toMatchObject({ code, stdout: "" });
    expect(readdirSync(folder)).toEqual([]);
  });
});
