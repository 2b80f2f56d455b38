/** Whether the registry serves, for load balancers and watchdogs: no login, no detail. */

import { Hono } from "hono";
import { log } from "../log.ts";
import { IDENTITY_KEY } from "../storage/objects/keys.ts";
import { isMigrated } from "../storage/registry.ts";
import { allDatabases, mainStores } from "../storage/stores.ts";
import type { RegistryEnv } from "./context.ts";

/** How long an isolate gives the same answer: whoever asks costs no more than a question in so long. Milliseconds. */
const REMEMBERED = 5_000;

let last: { at: number; healthy: Promise<boolean> } | null = null;

export const health = new Hono<RegistryEnv>();

// GET /healthz
health.get("/healthz", async (c) => {
  const now = Date.now();
  if (last === null || now - last.at >= REMEMBERED) last = { at: now, healthy: isHealthy(c.env) };
  c.header("Cache-Control", "no-store");
  if (await last.healthy) return c.text("ok\n");
  c.header("Retry-After", "5");
  return c.text("unavailable\n", 503);
});

async function isHealthy(env: Env): Promise<boolean> {
  const { objects } = mainStores(env);
  try {
    const migrations = Promise.all(allDatabases(env).map(isMigrated));
    const [migrated] = await Promise.all([migrations, objects.head(IDENTITY_KEY)]);
    return migrated.every((one) => one);
  } catch (error) {
    log("not-healthy", { error }, "warn");
    return false;
  }
}

/** Forgets the last answer. For tests. */
export function forgetHealth(): void {
  last = null;
}
