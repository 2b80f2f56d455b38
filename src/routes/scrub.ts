/** Berth's own extension: everything is read again and compared. Admins only. */

import { Hono } from "hono";
import { RegistryError } from "../oci/errors.ts";
import { nextStop, parseStop, type Stop } from "../storage/across/walk.ts";
import { type Happening, writeHappening } from "../storage/audit.ts";
import { type Cursor, parseCursor } from "../storage/scrub/cursor.ts";
import { scrubPage } from "../storage/scrub/scrub.ts";
import { requireAdmin } from "./authorize.ts";
import { actorOf, type Context, type RegistryEnv } from "./context.ts";
import { flag } from "./flag.ts";

export const scrub = new Hono<RegistryEnv>();

// POST /v2/_berth/scrub?after=<cursor>&rebuild=true
scrub.post("/v2/_berth/scrub", async (c) => {
  requireAdmin(c);
  const { allowSparseIndexes, orphanAge } = c.get("settings");
  const rebuild = flag(c, "rebuild");
  const after = c.req.query("after") ?? null;
  const { stores, cursor } = parseAfter(c, after, rebuild);
  // Once a scrub, before it changes anything. What it changes is in the log.
  if (after === null) {
    const begun: Happening = { action: "scrub", outcome: "begun", reference: null, detail: { rebuild } };
    await writeHappening(stores.db, actorOf(c), begun);
  }
  const options = { rebuild, sparse: allowSparseIndexes, freeBefore: Date.now() - orphanAge };
  const page = await scrubPage(stores, cursor, options);
  return c.json({ ...page, next: nextStop(c.env, stores, page.next) });
});

/** @throws RegistryError UNSUPPORTED 400 */
function parseAfter(c: Context, after: string | null, rebuild: boolean): Stop<Cursor> {
  const stop = parseStop(c.env, after, parseCursor);
  if (stop !== null && (rebuild || stop.cursor?.walk !== "objects")) return stop;
  const message =
    stop === null
      ? "after must be what an earlier page named as next"
      : "this after belongs to a scrub with rebuild=true";
  throw new RegistryError("UNSUPPORTED", message, { status: 400, detail: { after: after?.slice(0, 200) } });
}
