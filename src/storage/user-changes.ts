/**
 * Changes of users, one behind the other. Users are entries of KV, which writes without asking what is there, and shows
 * for up to 90 seconds what was there before. So whoever changes one claims it here first: with the version that he has
 * read and the one that he is going to write, in one statement. Of two who have read the same, the second is refused.
 *
 * A claim counts for as long as KV may lag. Later KV is right, whoever has written to it. `berth user` claims with the
 * event that it writes first (migrations/0009): what it changes is not to be overwritten either.
 */

import type { Actor } from "./audit.ts";
import type { Database } from "./database.ts";

/** Twice what KV takes to tell everybody. Milliseconds. */
const SETTLED = 180_000;

export interface UserChange {
  user: string;
  /** What stands for the entry that was read, and for the one that is to be written. */
  from: string;
  to: string;
  action: "add-user" | "change-password" | "set-rights" | "remove-user";
  /** What else there is to say of it. Never a hash. */
  detail: object | null;
}

/**
 * To be done before the entry is written: with its event, so that no change lacks one. Can be repeated.
 * @returns false, with nothing written, when somebody else has changed the user since it was read
 * @throws Unavailable, DatabaseFull
 */
export async function claimUserChange(
  db: Database,
  by: Actor,
  { user, from, to, action, detail }: UserChange,
  now: number,
): Promise<boolean> {
  const [claimed] = await db.batch([
    db
      .prepare(
        `INSERT INTO user_changes (name, version, request, changed_at) VALUES (?1, ?3, ?4, ?5)
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, request = excluded.request,
                                          changed_at = excluded.changed_at
         WHERE version = ?2 OR request = ?4 OR changed_at < ?6 RETURNING 1`,
      )
      .bind(user, from, to, by.request, now, now - SETTLED),
    db
      .prepare(
        `INSERT INTO audit_events (id, at, actor, credential, address, user_agent, action, outcome, reference, detail)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 'done', name, ?9 FROM user_changes
         WHERE name = ?8 AND request = ?10 ON CONFLICT DO NOTHING`,
      )
      .bind(
        ...[`${by.request}/${action}`, now, by.name, by.credential, by.address, by.userAgent, action, user],
        ...[detail && JSON.stringify(detail), by.request],
      ),
  ]);
  return (claimed?.length ?? 0) > 0;
}

/** Whether what KV shows of a user may be older than its last change. @throws Unavailable */
export async function isChangedLately(db: Database, user: string, now: number): Promise<boolean> {
  const row = await db
    .prepare(`SELECT 1 FROM user_changes WHERE name = ?1 AND changed_at >= ?2`)
    .bind(user, now - SETTLED)
    .first();
  return row !== null;
}
