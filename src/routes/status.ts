/** How the registry stands, for administrators, and for Prometheus. */

import { Hono } from "hono";
import packageJson from "../../package.json" with { type: "json" };
import { authenticate } from "../auth/authenticate.ts";
import { parseAuthorization } from "../auth/authorization-header.ts";
import { isSameSecret } from "../auth/secret.ts";
import { CONTENT_TYPE, expose } from "../metrics/exposition.ts";
import { metricsOf } from "../metrics/metrics.ts";
import { listCounters } from "../storage/counters.ts";
import { countedSince } from "../storage/open-uploads.ts";
import { readStatus } from "../storage/status.ts";
import { mainStores } from "../storage/stores.ts";
import { standingOf } from "../storage/whereabouts.ts";
import { requireAdmin } from "./authorize.ts";
import { type Context, callerOf, type RegistryEnv } from "./context.ts";

export const status = new Hono<RegistryEnv>();

// GET /v2/_berth/status
status.get("/v2/_berth/status", async (c) => {
  requireAdmin(c);
  const { databaseLimit, readOnly, maxUploads } = c.get("settings");
  const { db, found } = await read(c);
  const { totals, openUploads, lastCollection, lastCollectedAt, schemaVersion } = found;
  return c.json({
    build: { version: packageJson.version, deployment: c.env.VERSION.id, schema: schemaVersion },
    readOnly,
    objects: standingOf(c.env, [found.whereabouts]),
    totals,
    uploads: { open: openUploads, limit: maxUploads },
    database: { bytes: db.size, limit: databaseLimit, share: db.size && db.size / databaseLimit },
    collection: { last: lastCollection, lastSuccessAt: lastCollectedAt },
  });
});

/** GET /metrics. It is asked before credentials are read, as METRICS_TOKEN is no user's. */
export const metrics = new Hono<RegistryEnv>();

metrics.get("/metrics", async (c) => {
  if (!showsMetricsToken(c)) {
    c.set("access", await authenticate(callerOf(c), Date.now()));
    requireAdmin(c);
  }
  const { databaseLimit, readOnly } = c.get("settings");
  const { db, found } = await read(c);
  const counters = await listCounters(db);
  const measured = { status: found, counters, databaseBytes: db.size, databaseLimit };
  const standing = standingOf(c.env, [found.whereabouts]);
  c.header("Content-Type", CONTENT_TYPE);
  return c.body(expose(metricsOf({ ...measured, standing, readOnly: readOnly !== null })));
});

async function read(c: Context) {
  const { maxUploads, uploadExpiry } = c.get("settings");
  const { db } = mainStores(c.env);
  return { db, found: await readStatus(db, countedSince(Date.now(), uploadExpiry), maxUploads) };
}

function showsMetricsToken(c: Context): boolean {
  const token = c.get("settings").metricsToken;
  const shown = parseAuthorization(c.req.header("Authorization"));
  return token !== null && shown.kind === "token" && isSameSecret(token, shown.token);
}
