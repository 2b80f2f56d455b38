/** Berth's own extension: everything is read again and compared. Admins only. */

import { Hono } from "hono";
import { RegistryError } from "../oci/errors.ts";
import { type Happening, writeHappening } from "../storage/audit.ts";
import { type Cursor, parseCursor } from "../storage/scrub/cursor.ts";
import { scrubPage } from "../storage/scrub/scrub.ts";
import { mainStores } from "../storage/stores.ts";
import { requireAdmin } from "./authorize.ts";
import { actorOf, type Context, type RegistryEnv } from "./context.ts";
import { flag } from "./flag.ts";

export const scrub = new Hono<RegistryEnv>();

// POST /v2/_berth/scrub?after=<cursor>&rebuild=true
scrub.post("/v2/_berth/scrub", async (c) => {
  requireAdmin(c);
  const { allowSparseIndexes, orphanAge } = c.get("settings");
  const rebuild = flag(c, "rebuild");
  const cursor = parseAfter(c, rebuild);
  const stores = mainStores(c.env);
  // Once a scrub, before it changes anything. What it changes is in the log.
  if (cursor === null) {
    const begun: Happening = { action: "scrub", outcome: "begun", reference: null, detail: { rebuild } };
    await writeHappening(stores.db, actorOf(c), begun);
  }
  const options = { rebuild, sparse: allowSparseIndexes, freeBefore: Date.now() - orphanAge };
  return c.json(await scrubPage(stores, cursor, options));
});

/** @throws RegistryError UNSUPPORTED 400 */
function parseAfter(c: Context, rebuild: boolean): Cursor | null {
  const after = c.req.query("after");
  if (after === undefined) return null;
  const cursor = parseCursor(after);
  if (cursor !== null && (rebuild || cursor.walk !== "objects")) return cursor;
  const message =
    cursor === null
      ? "after must be what an earlier page named as next"
      : "this after belongs to a scrub with rebuild=true";
  throw new RegistryError("UNSUPPORTED", message, { status: 400, detail: { after: after.slice(0, 200) } });
}
