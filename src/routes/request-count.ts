/** Counts each request for /metrics. */

import { createMiddleware } from "hono/factory";
import { log } from "../log.ts";
import { addCounted, countRequest } from "../metrics/requests.ts";
import { mainStores } from "../storage/stores.ts";
import type { RegistryEnv } from "./context.ts";

export const requestCount = createMiddleware<Pick<RegistryEnv, "Bindings" | "Variables">>(async (c, next) => {
  const startedAt = Date.now();
  await next();
  const { metricsEvery } = c.get("settings");
  if (metricsEvery === null) return;
  const now = Date.now();
  const { method, path } = c.req;
  const first = countRequest({ method, path, status: c.res.status, duration: now - startedAt }, now);
  // One of many requests writes what all have counted, behind its own answer.
  if (first) c.executionCtx.waitUntil(addLater(c.env, metricsEvery));
});

async function addLater(env: Env, wait: number): Promise<void> {
  await scheduler.wait(wait);
  try {
    await addCounted(mainStores(env).db, Date.now());
  } catch (error) {
    // It is added with what is counted next.
    log("metrics-not-added", { error }, "warn");
  }
}
