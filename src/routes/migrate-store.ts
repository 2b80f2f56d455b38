/** Berth's own extension: objects move from one store to another. Admins only. */

import { Hono } from "hono";
import { RegistryError } from "../oci/errors.ts";
import { type Happening, writeHappening } from "../storage/audit.ts";
import { checkIdentity, WrongBucket } from "../storage/garbage/identity.ts";
import { openMove } from "../storage/objects/open.ts";
import { type Cursor, parseCursor } from "../storage/scrub/cursor.ts";
import { isMoveCursor, movePage } from "../storage/scrub/move.ts";
import { mainStores, type Stores } from "../storage/stores.ts";
import { requireAdmin } from "./authorize.ts";
import { actorOf, type Context, type RegistryEnv } from "./context.ts";

export const migrateStore = new Hono<RegistryEnv>();

// POST /v2/_berth/migrate-store?after=<cursor>
migrateStore.post("/v2/_berth/migrate-store", async (c) => {
  requireAdmin(c);
  const moving = openMove(c.env);
  if (moving === null) {
    const message =
      "STORE_FALLBACK names no store to move from: set it to the old one, and STORE to the new one";
    throw new RegistryError("UNSUPPORTED", message, { status: 409 });
  }
  const cursor = parseAfter(c);
  const stores = mainStores(c.env);
  // Once, before it changes anything.
  if (cursor === null) {
    await requireOurs(stores);
    const { STORE: to, STORE_FALLBACK: from } = c.env;
    const begun: Happening = {
      action: "migrate-store",
      outcome: "begun",
      reference: null,
      detail: { from, to },
    };
    await writeHappening(stores.db, actorOf(c), begun);
  }
  return c.json(await movePage(stores, moving, cursor));
});

/** @throws RegistryError UNSUPPORTED 409 when the new store is another registry's */
async function requireOurs(stores: Stores): Promise<void> {
  try {
    await checkIdentity(stores, { adopt: false, dry: true });
  } catch (error) {
    if (!(error instanceof WrongBucket)) throw error;
    throw new RegistryError("UNSUPPORTED", error.message, { status: 409 });
  }
}

/** @throws RegistryError UNSUPPORTED 400 */
function parseAfter(c: Context): Cursor | null {
  const after = c.req.query("after");
  if (after === undefined) return null;
  const cursor = parseCursor(after);
  if (cursor !== null && isMoveCursor(cursor)) return cursor;
  const detail = { after: after.slice(0, 200) };
  throw new RegistryError("UNSUPPORTED", "after must be what an earlier page named as next", {
    status: 400,
    detail,
  });
}
