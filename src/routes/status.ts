/** How the registry stands, for administrators, and for Prometheus. */

import { Hono } from "hono";
import packageJson from "../../package.json" with { type: "json" };
import { authenticate } from "../auth/authenticate.ts";
import { parseAuthorization } from "../auth/authorization-header.ts";
import { isSameSecret } from "../auth/secret.ts";
import { CONTENT_TYPE, expose } from "../metrics/exposition.ts";
import { metricsOf } from "../metrics/metrics.ts";
import { type DatabaseStatus, readWholeStatus, type WholeStatus } from "../storage/across/status.ts";
import { listCounters } from "../storage/counters.ts";
import { countedSince } from "../storage/open-uploads.ts";
import { mainStores } from "../storage/stores.ts";
import { standingOf } from "../storage/whereabouts.ts";
import { requireAdmin } from "./authorize.ts";
import { type Context, callerOf, type RegistryEnv } from "./context.ts";

export const status = new Hono<RegistryEnv>();

// GET /v2/_berth/status
status.get("/v2/_berth/status", async (c) => {
  requireAdmin(c);
  const { databaseLimit, readOnly, maxUploads } = c.get("settings");
  const { databases, whole, fullest } = await read(c);
  const { totals, openUploads, lastCollection, lastCollectedAt, schemaVersion } = whole;
  return c.json({
    build: { version: packageJson.version, deployment: c.env.VERSION.id, schema: schemaVersion },
    readOnly,
    objects: standingOf(c.env, databases.map(whereaboutsOf)),
    totals,
    uploads: { open: openUploads, limit: maxUploads },
    database: sizeOf(fullest, databaseLimit),
    collection: { last: lastCollection, lastSuccessAt: lastCollectedAt },
    ...(databases.length > 1 && {
      databases: databases.map((one) => ({
        name: one.name,
        totals: one.found.totals,
        ...sizeOf(one, databaseLimit),
        collection: { last: one.found.lastCollection, lastSuccessAt: one.found.lastCollectedAt },
      })),
    }),
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
  const [{ databases, whole, fullest }, counters] = await Promise.all([
    read(c),
    listCounters(mainStores(c.env).db),
  ]);
  const measured = { status: whole, counters, databaseBytes: fullest.bytes, databaseLimit };
  const standing = standingOf(c.env, databases.map(whereaboutsOf));
  c.header("Content-Type", CONTENT_TYPE);
  return c.body(expose(metricsOf({ ...measured, standing, readOnly: readOnly !== null })));
});

function read(c: Context): Promise<WholeStatus> {
  const { maxUploads, uploadExpiry } = c.get("settings");
  return readWholeStatus(c.env, countedSince(Date.now(), uploadExpiry), maxUploads);
}

function whereaboutsOf({ found }: DatabaseStatus) {
  return found.whereabouts;
}

function sizeOf({ bytes }: DatabaseStatus, limit: number) {
  return { bytes, limit, share: bytes && bytes / limit };
}

function showsMetricsToken(c: Context): boolean {
  const token = c.get("settings").metricsToken;
  const shown = parseAuthorization(c.req.header("Authorization"));
  return token !== null && shown.kind === "token" && isSameSecret(token, shown.token);
}
