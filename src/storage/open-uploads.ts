/**
 * How many upload sessions are open, whose, and how many may be. Each is a Durable Object with bytes of its own, and
 * whoever may push could make them without end.
 */

import type { Database, Statement } from "./database.ts";

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

/**
 * Counts a session that is about to begin, in the statement that looks whether there is room. Can be repeated.
 * @returns which limit has been reached, and then it is not counted; null when it may begin
 * @throws Unavailable
 */
export async function openUpload(
  db: Database,
  { owner, id }: OpenUpload,
  { perOwner, total, since }: UploadLimits,
  now: number,
): Promise<"owner" | "total" | null> {
  const opened = await db
    .prepare(
      `INSERT INTO open_uploads (owner, id, started_at)
       SELECT ?1, ?2, ?3
       WHERE (SELECT count(*) FROM open_uploads WHERE owner = ?1 AND id <> ?2 AND started_at > ?4) < ?5
         AND (SELECT count(*) FROM (SELECT 1 FROM open_uploads WHERE started_at > ?4 AND id <> ?2 LIMIT ?6) AS listed) < ?6
       ON CONFLICT DO UPDATE SET started_at = excluded.started_at RETURNING 1`,
    )
    .bind(owner, id, now, since, perOwner, total)
    .first();
  if (opened !== null) return null;
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
