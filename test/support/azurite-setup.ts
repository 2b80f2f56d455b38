/** Azurite, for tests that run inside workerd. */

import process from "node:process";
import type { TestProject } from "vitest/node";
import { startAzurite } from "./azurite.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The URL of its account; null where it is not installed. */
    azurite: string | null;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const home = process.env.AZURITE_HOME;
  const azurite = home ? await startAzurite(home) : null;
  project.provide("azurite", azurite?.url ?? null);
  return () => azurite?.stop();
}
