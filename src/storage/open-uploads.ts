/**
 * How many upload sessions are open, whose, and how many may be. Each is a Durable Object with bytes of its own, and
 * whoever may push could make them without end.
 */

import type { Digest } from "../oci/digest.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { type Database, DatabaseFull, type Statement } from "./database.ts";
import { exceededBy, type OverQuota } from "./quota-room.ts";
import { selectTightest, type TightestRow } from "./quotas.ts";

/** A session as it is counted. */
export interface OpenUpload {
  /** Who began it. */
  owner: string;
  id: string;
}

/** Share of its expiry after which a session that is in use is counted anew. */
const COUNTED_FOR = 1 / 4;

/** Sessions that were last counted before do not count any more. @param expiry milliseconds without use */
export function countedSince(now: number, expiry: number): number {
  return now - expiry * (1 + COUNTED_FOR);
}

/** Whether a session in use has to be counted anew, so that it never counts for less long than it lives. */
export function needsCounting(countedAt: number, now: number, expiry: number): boolean {
  return now - countedAt > expiry * COUNTED_FOR;
}

export interface UploadLimits {
  /** How many one owner may have open. */
  perOwner: number;
  /** How many there may be. */
  total: number;
  /** See {@link countedSince}. Milliseconds since the epoch. */
  since: number;
}

/** What a session is for. */
export interface UploadTarget {
  repository: RepositoryName;
  /** Null when it is not known yet. */
  digest: Digest | null;
}

/** Unless it is "opened", the session is not counted. */
export type Opening =
  /** `room`: how many bytes quotas leave; null without any. */
  | { kind: "opened"; room: number | null }
  /** Too many are open: of this owner, or in all. */
  | { kind: "too-many"; of: "owner" | "total" }
  /** Not one byte may be added. */
  | OverQuota;

/**
 * Counts a session that is about to begin, in the statement that looks whether there may be another. Can be repeated.
 * @throws Unavailable, DatabaseFull
 */
export async function openUpload(
  db: Database,
  upload: OpenUpload,
  { repository, digest }: UploadTarget,
  limits: UploadLimits,
  now: number,
): Promise<Opening> {
  const { owner } = upload;
  const [opened = [], [tightest = null] = []] = await db.batch<unknown>([
    insertUpload(db, upload, limits, now),
    selectTightest(db, { repository, owner, digest }),
  ]);
  if (opened.length === 0) return { kind: "too-many", of: await reachedLimit(db, owner, limits) };
  const least = tightest as TightestRow | null;
  const exceeded = exceededBy(least, 1);
  const full = db.isFull;
  if (exceeded === null && !full) return { kind: "opened", room: least && least.allowed - least.used };
  await closeUpload(db, upload).all();
  if (exceeded === null || full) throw new DatabaseFull();
  return exceeded;
}

function insertUpload(
  db: Database,
  { owner, id }: OpenUpload,
  { perOwner, total, since }: UploadLimits,
  now: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO open_uploads (owner, id, started_at)
       SELECT ?1, ?2, ?3
       WHERE (SELECT count(*) FROM open_uploads WHERE owner = ?1 AND id <> ?2 AND started_at > ?4) < ?5
         AND (SELECT count(*) FROM (SELECT 1 FROM open_uploads WHERE started_at > ?4 AND id <> ?2 LIMIT ?6) AS listed) < ?6
       ON CONFLICT DO UPDATE SET started_at = excluded.started_at RETURNING 1`,
    )
    .bind(owner, id, now, since, perOwner, total);
}

async function reachedLimit(
  db: Database,
  owner: string,
  { perOwner, since }: UploadLimits,
): Promise<"owner" | "total"> {
  const row = await db
    .prepare(`SELECT count(*) AS mine FROM open_uploads WHERE owner = ?1 AND started_at > ?2`)
    .bind(owner, since)
    .first<{ mine: number }>();
  return (row?.mine ?? 0) >= perOwner ? "owner" : "total";
}

/** Counts a session that is in use, whatever the limits: it is there. @throws Unavailable */
export async function countAgain(db: Database, { owner, id }: OpenUpload, now: number): Promise<void> {
  await db
    .prepare(
      `INSERT INTO open_uploads (owner, id, started_at) VALUES (?1, ?2, ?3)
       ON CONFLICT DO UPDATE SET started_at = excluded.started_at`,
    )
    .bind(owner, id, now)
    .all();
}

/** The statement that counts a session no longer, for the batch that ends it. */
export function closeUpload(db: Database, { owner, id }: OpenUpload): Statement {
  return db.prepare(`DELETE FROM open_uploads WHERE owner = ?1 AND id = ?2`).bind(owner, id);
}

/** The statement that forgets sessions last counted before `cut` (milliseconds since the epoch): they count no more. */
export function forgetUploads(db: Database, cut: number): Statement {
  return db.prepare(`DELETE FROM open_uploads WHERE started_at < ?1`).bind(cut);
}
