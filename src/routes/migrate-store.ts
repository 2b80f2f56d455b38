/** Berth's own extension: objects move from one store to another. Admins only. */

import { Hono } from "hono";
import { RegistryError } from "../oci/errors.ts";
import { nextStop, parseStop, type Stop } from "../storage/across/walk.ts";
import { type Happening, writeHappening } from "../storage/audit.ts";
import { checkIdentity, WrongBucket } from "../storage/garbage/identity.ts";
import { type MoveCursor, movePage, parseMoveCursor } from "../storage/scrub/move.ts";
import { allDatabases, mainStores, openMoveOf, type Stores } from "../storage/stores.ts";
import { acceptStores, noteStores, outOfReach, readWhereabouts } from "../storage/whereabouts.ts";
import { requireAdmin } from "./authorize.ts";
import { actorOf, type Context, type RegistryEnv } from "./context.ts";
import { flag } from "./flag.ts";

export const migrateStore = new Hono<RegistryEnv>();

/** Objects were copied otherwise, or are given up: what the settings name is all there is. */
async function accept(c: Context): Promise<Response> {
  const { STORE: to, STORE_FALLBACK: from } = c.env;
  const accepted = { action: "migrate-store", outcome: "done", reference: null } as const;
  await writeHappening(mainStores(c.env).db, actorOf(c), {
    ...accepted,
    detail: { accepted: true, from, to },
  });
  await acceptStores(c.env, allDatabases(c.env));
  return c.json({ accepted: true });
}

/** How long after a deploy the version before may still put something into the store that it knows. Milliseconds. */
const OTHERS_END = 5 * 60_000;

// POST /v2/_berth/migrate-store?to=<store>&after=<cursor>, or ?accept=true
migrateStore.post("/v2/_berth/migrate-store", async (c) => {
  requireAdmin(c);
  requireMeant(c);
  if (flag(c, "accept")) return accept(c);
  const after = c.req.query("after") ?? null;
  const { stores, cursor } = parseAfter(c, after);
  const move = openMoveOf(c.env, stores);
  if (move === null) {
    const message =
      "STORE_FALLBACK names no store to move from: set it to the old one, and STORE to the new one";
    throw new RegistryError("UNSUPPORTED", message, { status: 409 });
  }
  const deployedAt = Date.parse(c.env.VERSION.timestamp) || 0;
  // Before it changes anything.
  if (after === null) await requireWithinReach(c, stores);
  if (cursor === null) await requireOurs(stores);
  if (after === null) {
    const { STORE: to, STORE_FALLBACK: from } = c.env;
    const begun: Happening = {
      action: "migrate-store",
      outcome: "begun",
      reference: null,
      detail: { from, to },
    };
    await writeHappening(stores.db, actorOf(c), begun);
  }
  const page = await movePage(stores, move, cursor, deployedAt + OTHERS_END);
  const next = nextStop(c.env, stores, page.next);
  return c.json({ ...page, next, done: page.done && next === null && (await isDoneEverywhere(c)) });
});

/** @throws RegistryError UNSUPPORTED 409 when objects would go to another store than the caller says */
function requireMeant({ env, req }: Context): void {
  const to = req.query("to")?.slice(0, 50) ?? env.STORE;
  if (to === env.STORE) return;
  const message = `STORE is ${env.STORE}, so nothing would go to ${to}: set STORE to the new store and STORE_FALLBACK to the old one`;
  throw new RegistryError("UNSUPPORTED", message, { status: 409 });
}

/** Whether no database has objects that only the old store has. */
async function isDoneEverywhere(c: Context): Promise<boolean> {
  const noted = await Promise.all(allDatabases(c.env).map(readWhereabouts));
  return noted.every(({ old }) => old === null);
}

/** @throws RegistryError UNSUPPORTED 409 when the new store is another registry's */
async function requireOurs(stores: Stores): Promise<void> {
  try {
    await checkIdentity(stores, { adopt: false, dry: true });
  } catch (error) {
    if (!(error instanceof WrongBucket)) throw error;
    throw new RegistryError("UNSUPPORTED", error.message, { status: 409 });
  }
}

/** @throws RegistryError UNSUPPORTED 409 when objects are in a store that is neither the new nor the old one */
async function requireWithinReach(c: Context, { db }: Stores): Promise<void> {
  const noted = await readWhereabouts(db);
  const [lost] = outOfReach(c.env, noted);
  if (lost !== undefined) {
    const message =
      `objects are in the store ${lost}, which neither STORE nor STORE_FALLBACK names: name it, or have it forgotten ` +
      "with --accept";
    throw new RegistryError("UNSUPPORTED", message, { status: 409 });
  }
  await noteStores(c.env, allDatabases(c.env), noted);
}

/** @throws RegistryError UNSUPPORTED 400 */
function parseAfter(c: Context, after: string | null): Stop<MoveCursor> {
  const stop = parseStop(c.env, after, parseMoveCursor);
  if (stop !== null) return stop;
  const detail = { after: after?.slice(0, 200) };
  throw new RegistryError("UNSUPPORTED", "after must be what an earlier page named as next", {
    status: 400,
    detail,
  });
}
