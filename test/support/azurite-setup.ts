/**
 * Azurite, Microsoft's simulator of Azure's storage, for tests that run inside workerd. It is half as large as all
 * else together, so it is no dependency: AZURITE_HOME names a folder where `npm install azurite` was run.
 */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestProject } from "vitest/node";
import { freePort } from "../e2e/support/ports.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The URL of its account; null where it is not installed. */
    azurite: string | null;
  }
}

const ACCOUNT = "devstoreaccount1";

/** Until it serves. Milliseconds. */
const PATIENCE = 60_000;

export default async function setup(project: TestProject): Promise<() => void> {
  const home = process.env.AZURITE_HOME;
  if (!home) {
    project.provide("azurite", null);
    return () => {};
  }
  const main = join(home, "node_modules/azurite/dist/src/blob/main.js");
  if (!existsSync(main)) throw new Error(`AZURITE_HOME is ${home}, but azurite is not installed there`);
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [main, "--blobPort", String(port), "--inMemoryPersistence", "--silent", "--disableTelemetry"],
    { stdio: "ignore" },
  );
  const url = `http://127.0.0.1:${port}/${ACCOUNT}`;
  const until = Date.now() + PATIENCE;
  while (!(await fetch(url).catch(() => null))) {
    if (child.exitCode !== null || Date.now() > until) throw new Error("azurite does not start");
    await sleep(100);
  }
  project.provide("azurite", url);
  return () => {
    child.kill();
  };
}
