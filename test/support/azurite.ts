/**
 * Azurite, Microsoft's simulator of Azure's storage. It is half as large as all else together, so it is no dependency:
 * AZURITE_HOME names a folder where `npm install azurite` was run.
 */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../e2e/support/ports.ts";
import { AZURITE } from "./azurite-account.ts";

/** Until it serves. Milliseconds. */
const PATIENCE = 60_000;

export interface Azurite {
  /** Of its account. */
  url: string;
  stop(): void;
}

/** @param home where it is installed @throws Error when it does not start */
export async function startAzurite(home: string): Promise<Azurite> {
  const main = join(home, "node_modules/azurite/dist/src/blob/main.js");
  if (!existsSync(main)) throw new Error(`AZURITE_HOME is ${home}, but azurite is not installed there`);
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [main, "--blobPort", String(port), "--inMemoryPersistence", "--silent", "--disableTelemetry"],
    { stdio: "ignore" },
  );
  const url = `http://127.0.0.1:${port}/${AZURITE.account}`;
  const until = Date.now() + PATIENCE;
  while (!(await fetch(url).catch(() => null))) {
    if (child.exitCode !== null || Date.now() > until) throw new Error("azurite does not start");
    await sleep(100);
  }
  return { url, stop: () => child.kill() };
}
