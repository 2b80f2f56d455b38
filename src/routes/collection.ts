/** Berth's own extension: garbage collection on demand. Admins only. */

import { Hono } from "hono";
import { collectGarbage } from "../gc/collect.ts";
import { RegistryError } from "../oci/errors.ts";
import { listAllRuns } from "../storage/across/runs.ts";
import { databasesOf, MAIN } from "../storage/placement.ts";
import { malformed } from "./admin-request.ts";
import { requireAdmin } from "./authorize.ts";
import { actorOf, type RegistryEnv } from "./context.ts";
import { flag } from "./flag.ts";

const RUNS_LISTED = 20;

export const collection = new Hono<RegistryEnv>();

// POST /v2/_berth/gc?dry-run=true&force=true&adopt=true&database=<binding>
collection.post("/v2/_berth/gc", async (c) => {
  requireAdmin(c);
  const databases = databasesOf(c.env);
  const database = c.req.query("database") ?? MAIN;
  if (!databases.includes(database))
    throw malformed(`database must be one of ${databases.join(", ")}`, { database: database.slice(0, 200) });
  const options = { dryRun: flag(c, "dry-run"), force: flag(c, "force"), adopt: flag(c, "adopt") };
  const report = await collectGarbage(c.env, { ...options, database, by: actorOf(c) });
  if (report === null) {
    throw new RegistryError("TOOMANYREQUESTS", "another collection is under way: wait for it to end", {
      headers: { "Retry-After": "60" },
    });
  }
  return c.json({ ...report, databases });
});

// GET /v2/_berth/gc
collection.get("/v2/_berth/gc", async (c) => {
  requireAdmin(c);
  return c.json({ runs: await listAllRuns(c.env, RUNS_LISTED) });
});
