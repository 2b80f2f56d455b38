/** What setup.ts has prepared, for a test file. */

import { readFileSync } from "node:fs";
import { expect, inject, it } from "vitest";
import { Docker } from "./docker.ts";
import { faultsIn } from "./registry.ts";

export const workspace = inject("workspace");
export const host = inject("host");
export const image = inject("image");
export const smallImage = inject("smallImage");
export const docker = new Docker(inject("dockerSocket"), workspace);

/** The lines that the shared registry has logged since `mark`. */
export function logSince(mark: number): string[] {
  return readLog().slice(mark).trim().split("\n");
}

/** Where the shared registry's log stands now. */
export function markLog(): number {
  return readLog().length;
}

function readLog(): string {
  return readFileSync(inject("registryLog"), "utf8");
}

/** The last test of every file that uses the shared registry. */
export function itLeavesACleanLog(): void {
  it("leaves no server error, uncaught error or stack trace in the registry's log", () => {
    expect(faultsIn(readLog())).toEqual([]);
  });
}
