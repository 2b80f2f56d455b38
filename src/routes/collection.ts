/** Berth's own extension: garbage collection on demand. Admins only. */

import { Hono } from "hono";
import { collectGarbage } from "../gc/collect.ts";
import { RegistryError } from "../oci/errors.ts";
import { listRuns } from "../storage/garbage/runs.ts";
import { mainStores } from "../storage/stores.ts";
import { requireAdmin } from "./authorize.ts";
import { actorOf, type RegistryEnv } from "./context.ts";
import { flag } from "./flag.ts";

const RUNS_LISTED = 20;

export const collection = new Hono<RegistryEnv>();

// POST /v2/_berth/gc?dry-run=true&force=true&adopt=true
collection.post("/v2/_berth/gc", async (c) => {
  requireAdmin(c);
  const options = { dryRun: flag(c, "dry-run"), force: flag(c, "force"), adopt: flag(c, "adopt") };
  const report = await collectGarbage(c.env, { ...options, by: actorOf(c) });
  if (report === null) {
    throw new RegistryError("TOOMANYREQUESTS", "another collection is under way: wait for it to end", {
      headers: { "Retry-After": "60" },
    });
  }
  return c.json(report);
});

// GET /v2/_berth/gc
collection.get("/v2/_berth/gc", async (c) => {
  requireAdmin(c);
  return c.json({ runs: await listRuns(mainStores(c.env).db, RUNS_LISTED) });
});
