/**
 * Moves objects from the store that STORE_FALLBACK names to the one that STORE names, a page a call, while people push
 * and pull. What goes is what rows name, verified on the way; what is there already is left alone, so it can stop
 * anywhere, be repeated, and run twice at once. Nothing is deleted from the old store.
 *
 * An object that is wrong or gone in the old store is what a scrub makes of it: put aside, or marked as missing.
 *
 * What a push commits meanwhile is in the new store, but for uploads in parts that began before STORE said so: they
 * end in the old one, perhaps behind the walk. A later pass finds them.
 */

import { copyVerified } from "../objects/copy.ts";
import { IDENTITY_KEY } from "../objects/keys.ts";
import type { MovingObjects } from "../objects/moving.ts";
import type { Stores } from "../stores.ts";
import { blobs } from "./blobs.ts";
import { type Cursor, formatCursor } from "./cursor.ts";
import type { Checked, ScrubPage } from "./findings.ts";
import { manifests } from "./manifests.ts";
import { checkNamed, type Look } from "./named-object.ts";
import { type Limits, PageRun } from "./scrub.ts";

export interface MovePage extends ScrubPage {
  /** How many objects this page has copied. */
  moved: number;
}

/** Whether a cursor is one of a move. */
export function isMoveCursor({ walk }: Cursor): boolean {
  return walk === "blobs" || walk === "manifests";
}

/**
 * Moves one page.
 * @param cursor where to go on; null at the very beginning
 * @throws Unavailable when a store failed before anything was moved; later, the page ends there
 */
export async function movePage(
  stores: Stores,
  objects: MovingObjects,
  cursor: Cursor | null,
  limits?: Limits,
): Promise<MovePage> {
  if (cursor === null) await moveIdentity(objects);
  const { walk, after } = cursor ?? { walk: "blobs", after: null };
  const run = new PageRun(walk, limits);
  const look: Look = (all, named, row) => move(all, objects, named, row);
  const end = await run.go(walk === "blobs" ? blobs(stores, look) : manifests(stores, look), after);
  if (end !== null) run.result.next = formatCursor({ walk, after: end });
  else if (walk === "blobs") run.result.next = formatCursor({ walk: "manifests", after: null });
  return { ...run.result, moved: run.moved };
}

async function move(
  stores: Stores,
  { to, from }: MovingObjects,
  named: Parameters<Look>[1],
  row: Parameters<Look>[2],
): Promise<Checked> {
  const { key, digest, missing } = named;
  // Whatever is there was verified when it came.
  if ((await to.head(key)) !== null) return missing ? checkNamed(stores, named, row) : NOTHING;
  // The row's size is not to be trusted.
  const info = await from.head(key);
  const copy = { from: { objects: from, key }, to: { objects: to, key }, size: info?.size ?? 0, digest };
  if (info === null || !(await copyVerified(copy))) return checkNamed(stores, named, row);
  if (missing || info.size !== named.size) return { ...(await checkNamed(stores, named, row)), moved: true };
  return { bytes: info.size, findings: [], moved: true };
}

const NOTHING: Checked = { bytes: 0, findings: [] };

/** Whose bucket the new one is says the same object as in the old one. */
async function moveIdentity({ to, from }: MovingObjects): Promise<void> {
  if ((await to.head(IDENTITY_KEY)) !== null) return;
  const body = await from.get(IDENTITY_KEY, null);
  if (body !== null) await to.put(IDENTITY_KEY, await new Response(body).text());
}
