/** Berth's own extension: garbage collection on demand. Admins only. */

import { Hono } from "hono";
import { collectGarbage } from "../gc.ts";
import { RegistryError } from "../oci/errors.ts";
import { listRuns } from "../storage/gc-runs.ts";
import { requireAdmin } from "./authorize.ts";
import type { RegistryEnv } from "./context.ts";

const RUNS_LISTED = 20;

export const collection = new Hono<RegistryEnv>();

// POST /v2/_berth/gc?dry-run=true
collection.post("/v2/_berth/gc", async (c) => {
  requireAdmin(c);
  const dryRun = c.req.query("dry-run") ?? "false";
  if (dryRun !== "true" && dryRun !== "false") {
    throw new RegistryError("UNSUPPORTED", "dry-run must be true or false", { status: 400 });
  }
  const report = await collectGarbage(c.env, { dryRun: dryRun === "true" });
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
  return c.json({ runs: await listRuns(c.env.DB, RUNS_LISTED) });
});
