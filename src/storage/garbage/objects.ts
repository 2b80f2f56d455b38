/** Objects that nothing names: doomed ones are deleted when they have waited, orphans of crashes are found and doomed. */

import type { Database } from "../database.ts";
import { PREFIXES } from "../objects/keys.ts";
import type { ObjectInfo, Objects } from "../objects/objects.ts";
import { countedSince, forgetUploads } from "../open-uploads.ts";
import type { Stores } from "../stores.ts";
import { type Candidate, type Garbage, keyAfter, nextOf, TakenRows } from "./page.ts";

/**
 * How long a doomed key stays on record after its object is gone: as long as the record stands, no commit that
 * is still on its way can make the key a blob (see commitBlob). D1 lets no statement run longer than 30 s.
 * Milliseconds.
 */
const RECORD_KEPT = 60_000;

/** What a scrub has put aside stays, also when its row goes and dooms it: that record keeps commits off the key. */
const UNQUARANTINED = `NOT EXISTS (SELECT 1 FROM quarantined_objects
                                   WHERE quarantined_objects.object_key = doomed_objects.object_key)`;

/** No row can name what is doomed; but nothing brings bytes back, so that is asked once more. */
const UNNAMED = `NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.object_key = doomed_objects.object_key)
  AND NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.object_key = doomed_objects.object_key)`;

interface DoomedRow {
  object_key: string;
  bytes: number;
  doomed_at: number;
}

/** Objects that were doomed before `cut` (milliseconds since the epoch): these are deleted from the store. */
export function doomedBefore({ db, objects }: Stores, cut: number): Garbage {
  return {
    async find(after, limit) {
      const [doomedAt, key] = keyAfter<[number, string]>(after, [0, ""]);
      const rows = await db
        .prepare(
          `SELECT object_key, bytes, doomed_at FROM doomed_objects
           WHERE deleted_at IS NULL AND doomed_at < ?1 AND (doomed_at, object_key) > (?2, ?3) AND ${UNQUARANTINED}
             AND ${UNNAMED}
           ORDER BY doomed_at, object_key LIMIT ?4`,
        )
        .bind(cut, doomedAt, key, limit)
        .all<DoomedRow>();
      const candidates = rows.map(({ object_key, bytes }) => asCandidate(object_key, bytes));
      return { candidates, next: nextOf(rows, limit, (last) => [last.doomed_at, last.object_key]) };
    },

    async take(candidates) {
      await objects.delete(candidates.map(({ row }) => String(row[0])));
      // Only what the store has confirmed is forgotten, and that only later. An insert that meets its rows reads the
      // list alone; an update from it would read each row too, twice. Where another run has forgotten a record, this
      // one makes it again.
      await db
        .prepare(
          `INSERT INTO doomed_objects (object_key, bytes, doomed_at, deleted_at)
           SELECT listed.value ->> 0, listed.value ->> 1, ?2, ?2 FROM json_each(?1) AS listed WHERE true
           ON CONFLICT (object_key) DO UPDATE SET deleted_at = excluded.deleted_at
             WHERE doomed_objects.deleted_at IS NULL`,
        )
        .bind(keysOf(candidates), Date.now())
        .all();
      return new TakenRows(candidates.map(({ row }) => row));
    },
  };
}

/**
 * Forgets doomed keys whose objects are long gone, pending ones whose uploads are, and uploads that count no more.
 * @param pending keys registered before. Milliseconds since the epoch.
 * @param uploadExpiry milliseconds
 */
export async function forgetRecords(
  db: Database,
  now: number,
  { pending, uploadExpiry }: { pending: number; uploadExpiry: number },
): Promise<void> {
  await db.batch([
    db.prepare(`DELETE FROM doomed_objects WHERE deleted_at < ?1`).bind(now - RECORD_KEPT),
    db.prepare(`DELETE FROM pending_objects WHERE registered_at < ?1`).bind(pending),
    forgetUploads(db, countedSince(now, uploadExpiry)),
  ]);
}

/** What has been doomed and still lies in the store. */
export async function countWaiting(db: Database): Promise<{ count: number; bytes: number }> {
  const row = await db
    .prepare(
      `SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM doomed_objects
       WHERE deleted_at IS NULL AND doomed_at > 0 AND ${UNQUARANTINED}`,
    )
    .first<{ count: number; bytes: number }>();
  return row ?? { count: 0, bytes: 0 };
}

/** No row names it: ?2 is the cut behind which a pending upload may still be closed with it. */
const ORPHAN = `NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.object_key = listed.value ->> 0)
  AND NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.object_key = listed.value ->> 0)
  AND NOT EXISTS (SELECT 1 FROM doomed_objects WHERE doomed_objects.object_key = listed.value ->> 0)
  AND NOT EXISTS (SELECT 1 FROM quarantined_objects WHERE quarantined_objects.object_key = listed.value ->> 0)
  AND NOT EXISTS (SELECT 1 FROM pending_objects
                  WHERE pending_objects.object_key = listed.value ->> 0 AND registered_at >= ?2)`;

/** So many orphans are the rest of a crash, whatever their share. */
const FEW = 5;

/** More than this share of a page is no rest of crashes: the database may be the wrong one, or an old one. */
const SUSPICIOUS_SHARE = 1 / 20;

/** A page has so many orphans that the database is not to be trusted: none of it is taken. */
export class TooManyOrphans extends Error {
  /** Where the next page begins; null when there is none. */
  readonly next: string | null;

  constructor(orphans: number, objects: number, next: string | null) {
    super(
      `${orphans} of ${objects} objects in the bucket are named by no row: is this the right database, and as new ` +
        "as the bucket? Nothing of them was taken. If they may go, run npm run gc -- --force",
    );
    this.name = "TooManyOrphans";
    this.next = next;
  }
}

/**
 * The registry's objects that no row names, made before `cut` (milliseconds since the epoch): these are doomed.
 * What lies in the bucket beside them is not the registry's.
 * @param force takes them however many they are; otherwise `find` throws TooManyOrphans
 */
export function orphansBefore({ db, objects }: Stores, cut: number, force: boolean): Garbage {
  return {
    async find(after, limit) {
      const { listed, next } = await listPage(objects, after, limit);
      const old = listed.filter(({ createdAt }) => createdAt < cut);
      const candidates = await findOrphans(db, old, cut);
      if (!force && (await isSuspicious(db, candidates.length, listed.length))) {
        throw new TooManyOrphans(candidates.length, listed.length, next);
      }
      return { candidates, next };
    },

    async take(candidates) {
      const rows = await db
        .prepare(
          `INSERT INTO doomed_objects (object_key, bytes, doomed_at)
           SELECT listed.value ->> 0, listed.value ->> 1, ?3 FROM json_each(?1) AS listed WHERE ${ORPHAN}
           ON CONFLICT DO NOTHING RETURNING object_key`,
        )
        .bind(keysOf(candidates), cut, Date.now())
        .all<DoomedRow>();
      return new TakenRows(rows.map(({ object_key }) => [object_key]));
    },
  };
}

/** Many of a page; or any at all while the database names no object, as a new one does. */
async function isSuspicious(db: Database, orphans: number, listed: number): Promise<boolean> {
  if (orphans > FEW) return orphans > listed * SUSPICIOUS_SHARE;
  if (orphans === 0) return false;
  const row = await db
    .prepare(
      `SELECT EXISTS (SELECT 1 FROM blobs WHERE object_key > '')
           OR EXISTS (SELECT 1 FROM manifests WHERE object_key > '') AS named`,
    )
    .first<{ named: 0 | 1 }>();
  return row?.named !== 1;
}

async function findOrphans(db: Database, listed: ObjectInfo[], cut: number): Promise<Candidate[]> {
  if (listed.length === 0) return [];
  const rows = await db
    .prepare(
      `SELECT listed.value ->> 0 AS object_key, listed.value ->> 1 AS bytes FROM json_each(?1) AS listed
       WHERE ${ORPHAN}`,
    )
    .bind(JSON.stringify(listed.map(({ key, size }) => [key, size])), cut)
    .all<DoomedRow>();
  return rows.map(({ object_key, bytes }) => asCandidate(object_key, bytes));
}

/** A page of the first prefix that has one, and behind its last page the beginning of the next prefix. */
async function listPage(
  objects: Objects,
  after: string | null,
  limit: number,
): Promise<{ listed: ObjectInfo[]; next: string | null }> {
  const prefix = PREFIXES.find((one) => after === null || after < one || after.startsWith(one));
  if (prefix === undefined) return { listed: [], next: null };
  const from = after?.startsWith(prefix) ? after : null;
  // Where another prefix begins, there is nothing to go on from.
  const { objects: listed, next } = await objects.list(prefix, from === prefix ? null : from, limit);
  const following = PREFIXES[PREFIXES.indexOf(prefix) + 1] ?? null;
  return { listed, next: next ?? following };
}

function asCandidate(key: string, bytes: number): Candidate {
  return { row: [key], repository: null, digest: null, bytes };
}

/** Keys, each with its bytes, as one bound value. */
function keysOf(candidates: Candidate[]): string {
  return JSON.stringify(candidates.map(({ row, bytes }) => [row[0], bytes]));
}
