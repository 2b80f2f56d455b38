/**
 * Sessions of browsers that were ended before their time. They are signed tokens, and kept nowhere; a row here is kept
 * until the last session that it ends would have ended by itself. D1 rather than KV: it is true with the next request,
 * everywhere.
 */

import type { Actor } from "./audit.ts";
import type { Database, Statement } from "./database.ts";

/** Rows that have served, which each that is added takes away: they go faster than they come. */
const TAKEN_AWAY = 100;

/** @param id of the session @param expiresAt of the session: milliseconds since the epoch @throws Unavailable, DatabaseFull */
export async function endSession(db: Database, id: string, expiresAt: number, now: number): Promise<void> {
  await db.batch([putRow(db, `session/${id}`, expiresAt, now), takeAway(db, now)]);
}

/**
 * All sessions of a user that have begun until now, with the event that tells of it.
 * @param expiresAt when none of them can last any longer. Milliseconds since the epoch.
 * @throws Unavailable, DatabaseFull
 */
export async function endSessionsOf(
  db: Database,
  by: Actor,
  user: string,
  expiresAt: number,
  now: number,
): Promise<void> {
  await db.batch([noteEnd(db, by, user, now), putRow(db, `all/${user}`, expiresAt, now), takeAway(db, now)]);
}

/** @param begunAt milliseconds since the epoch @throws Unavailable */
export async function isSessionEnded(
  db: Database,
  { id, user, begunAt }: { id: string; user: string; begunAt: number },
): Promise<boolean> {
  const row = await db
    .prepare(`SELECT 1 FROM ended_sessions WHERE id IN (?1, ?2) AND ended_at >= ?3 LIMIT 1`)
    .bind(`session/${id}`, `all/${user}`, begunAt)
    .first();
  return row !== null;
}

function noteEnd(db: Database, by: Actor, user: string, at: number): Statement {
  return db
    .prepare(
      `INSERT INTO audit_events (id, at, actor, credential, address, user_agent, action, outcome, reference)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'end-sessions', 'done', ?7) ON CONFLICT DO NOTHING`,
    )
    .bind(`${by.request}/end-sessions`, at, by.name, by.credential, by.address, by.userAgent, user);
}

function putRow(db: Database, id: string, expiresAt: number, now: number): Statement {
  return db
    .prepare(
      `INSERT INTO ended_sessions (id, ended_at, expires_at) VALUES (?1, ?2, ?3)
       ON CONFLICT (id) DO UPDATE SET ended_at = max(ended_at, excluded.ended_at),
                                      expires_at = max(expires_at, excluded.expires_at)`,
    )
    .bind(id, now, expiresAt);
}

function takeAway(db: Database, now: number): Statement {
  return db
    .prepare(
      `DELETE FROM ended_sessions
       WHERE id IN (SELECT id FROM ended_sessions WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)`,
    )
    .bind(now, TAKEN_AWAY);
}
