/**
 * Moves objects from the store that STORE_FALLBACK names to the one that STORE names, a page a call, while people push
 * and pull. What goes is what rows name, verified on the way; what is there already is left alone, so it can stop
 * anywhere, be repeated, and run twice at once. Nothing is deleted from the old store.
 *
 * An object that is wrong or gone in the old store is what a scrub makes of it: put aside, or marked as missing.
 *
 * What a push commits meanwhile is in the new store, but for uploads in parts that began before STORE said so: they
 * end in the old one, perhaps behind the walk. Then this pass is not the last (../whereabouts.ts): the next finds them.
 */

import { copyVerified } from "../objects/copy.ts";
import { IDENTITY_KEY } from "../objects/keys.ts";
import type { Move } from "../objects/moving.ts";
import type { Stores } from "../stores.ts";
import { beginPass, endPass } from "../whereabouts.ts";
import { blobs } from "./blobs.ts";
import { type Cursor, formatCursor, parseCursor } from "./cursor.ts";
import type { Checked, ScrubPage } from "./findings.ts";
import { manifests } from "./manifests.ts";
import { checkNamed, type Look } from "./named-object.ts";
import { type Limits, PageRun } from "./scrub.ts";

export interface MovePage extends ScrubPage {
  /** How many objects this page has copied. */
  moved: number;
  /** Of the last page: whether nothing is left in the old store. Of the others it is false. */
  done: boolean;
  /** When another pass may be the last, where this one began too early for that; null for now. Milliseconds since the epoch. */
  again: number | null;
}

/** How far a move is. Text on the wire, like "lvq3x8-9f2c:blobs:sha256:…". */
export interface MoveCursor {
  /** Which pass, and since when: milliseconds since the epoch in base 36, and four digits at random. */
  pass: string;
  place: Cursor;
}

/** Null when it is none. */
export function parseMoveCursor(text: string): MoveCursor | null {
  const [, pass, rest] = /^([0-9a-z]{8,9}-[0-9a-f]{4}):(.*)$/.exec(text) ?? [];
  const place = rest === undefined ? null : parseCursor(rest);
  if (pass === undefined || place === null || !isMoveCursor(place)) return null;
  return { pass, place };
}

function newPass(now: number): string {
  const random = crypto.getRandomValues(new Uint16Array(1))[0] ?? 0;
  return `${now.toString(36)}-${random.toString(16).padStart(4, "0")}`;
}

function beganAt(pass: string): number {
  return Number.parseInt(pass.split("-", 1)[0] ?? "", 36);
}

function isMoveCursor({ walk }: Cursor): boolean {
  return walk === "blobs" || walk === "manifests";
}

/**
 * Moves one page.
 * @param cursor where to go on; null at the very beginning
 * @param sure passes that began before this may have missed what an older version of the Worker still put into the old
 *   store. Milliseconds since the epoch.
 * @throws Unavailable when a store failed before anything was moved; later, the page ends there
 */
export async function movePage(
  stores: Stores,
  objects: Move,
  cursor: MoveCursor | null,
  sure: number,
  limits?: Limits,
): Promise<MovePage> {
  const pass = cursor?.pass ?? newPass(Date.now());
  if (cursor === null) {
    await moveIdentity(objects);
    await beginPass(stores.db, pass);
  }
  const { walk, after } = cursor?.place ?? { walk: "blobs", after: null };
  const run = new PageRun(walk, limits);
  const look: Look = (all, named, row) => move(all, objects, named, row);
  const end = await run.go(walk === "blobs" ? blobs(stores, look) : manifests(stores, look), after);
  const next = (place: Cursor) => `${pass}:${formatCursor(place)}`;
  if (end !== null) run.result.next = next({ walk, after: end });
  else if (walk === "blobs") run.result.next = next({ walk: "manifests", after: null });
  const again = beganAt(pass) < sure ? sure : null;
  const done = run.result.next === null && again === null && (await endPass(stores.db, pass));
  return { ...run.result, moved: run.moved, done, again };
}

async function move(
  stores: Stores,
  { to, from }: Move,
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
async function moveIdentity({ to, from }: Move): Promise<void> {
  if ((await to.head(IDENTITY_KEY)) !== null) return;
  const body = await from.get(IDENTITY_KEY, null);
  if (body !== null) await to.put(IDENTITY_KEY, await new Response(body).text());
}
