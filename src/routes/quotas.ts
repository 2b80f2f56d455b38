/** Berth's own extension: how much may be held, and who holds what. Admins only. */

import { Hono } from "hono";
import { RegistryError } from "../oci/errors.ts";
import { parseQuota } from "../oci/quotas.ts";
import { deleteQuotaEverywhere, listAllQuotas, putQuotaEverywhere } from "../storage/across/rules.ts";
import { nextStop, parseStop, type Stop } from "../storage/across/walk.ts";
import { listUsage, parseUsageCursor, type UsageCursor } from "../storage/usage.ts";
import { isLabel, LABEL_FORM, malformed, parseObject, smallBody } from "./admin-request.ts";
import { requireAdmin } from "./authorize.ts";
import { actorOf, type Context, type RegistryEnv } from "./context.ts";

const EXAMPLE = '{"repositories": "team/**", "allowed": 50000000000}';

/** Blobs, and manifests, that are read for one page of usage: without `n`, and at most. */
const MAX_PAGE = 10_000;

export const quotas = new Hono<RegistryEnv>();

quotas.use("/v2/_berth/quotas/*", async (c, next) => {
  requireAdmin(c);
  await next();
});

// GET /v2/_berth/quotas
quotas.get("/v2/_berth/quotas", async (c) => c.json({ quotas: await listAllQuotas(c.env) }));

// PUT /v2/_berth/quotas/<name>
quotas.put("/v2/_berth/quotas/:quota", smallBody, async (c) => {
  const name = c.req.param("quota");
  if (!isLabel(name)) throw malformed(`a quota's name must have ${LABEL_FORM}`);
  const quota = parseQuota(parseObject(await c.req.text(), EXAMPLE));
  if (typeof quota === "string") throw malformed(quota);
  const used = await putQuotaEverywhere(c.env, name, quota, actorOf(c), Date.now());
  if (used === null) {
    throw new RegistryError("DENIED", "there are 100 quotas: remove one first", { status: 409 });
  }
  return c.json({ name, ...quota, used });
});

// DELETE /v2/_berth/quotas/<name>
quotas.delete("/v2/_berth/quotas/:quota", async (c) => {
  const name = c.req.param("quota");
  if (!isLabel(name) || !(await deleteQuotaEverywhere(c.env, name, actorOf(c), Date.now()))) {
    throw new RegistryError("NAME_UNKNOWN", "there is no quota of this name", {
      detail: { name: name.slice(0, 200) },
    });
  }
  return c.body(null, 204);
});

// GET /v2/_berth/usage?n=<limit>&last=<cursor>
quotas.get("/v2/_berth/usage", async (c) => {
  requireAdmin(c);
  const limit = parseLimit(c);
  const { stores, cursor } = parseLast(c);
  const { repositories, next } = await listUsage(stores.db, cursor, limit);
  return c.json({ repositories, next: nextStop(c.env, stores, next && JSON.stringify(next)) });
});

/** @throws RegistryError UNSUPPORTED 400 */
function parseLimit(c: Context): number {
  const n = c.req.query("n");
  if (n === undefined) return MAX_PAGE;
  if (/^\d{1,15}$/.test(n) && Number(n) > 0) return Math.min(Number(n), MAX_PAGE);
  throw malformed("n must be a whole number, 1 or more", { n: n.slice(0, 200) });
}

/** @throws RegistryError UNSUPPORTED 400 */
function parseLast(c: Context): Stop<UsageCursor> {
  const last = c.req.query("last") ?? null;
  const stop = parseStop(c.env, last, parseUsageCursor);
  if (stop !== null) return stop;
  throw malformed("last must be what an earlier page named as next", { last: (last ?? "").slice(0, 200) });
}
