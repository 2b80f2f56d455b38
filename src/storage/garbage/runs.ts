/** The lease that keeps two collections apart, where walks stand, and what past runs did. */

import { type Actor, noteHappening } from "../audit.ts";
import type { Database } from "../database.ts";
import { noteUsageDay } from "../usage-days.ts";

/** Walk → where it goes on. A walk that is not here begins at its start. */
export type Cursors = Record<string, string>;

/**
 * Takes the lease for a run.
 * @param expiresAt when the run, if it has died, may be overtaken. Milliseconds since the epoch.
 * @returns where the walks stand; null when another run holds the lease
 */
export async function acquireLease(
  db: Database,
  run: string,
  now: number,
  expiresAt: number,
): Promise<Cursors | null> {
  const row = await db
    .prepare(
      `UPDATE gc_state SET holder = ?1, lease_expires_at = ?2
       WHERE id = 1 AND (holder IS NULL OR holder = ?1 OR lease_expires_at < ?3) RETURNING cursors`,
    )
    .bind(run, expiresAt, now)
    .first<{ cursors: string }>();
  return row === null ? null : JSON.parse(row.cursors);
}

/** Writes down where the walks stand, and prolongs the lease. @returns false when it was lost to another run */
export async function renewLease(
  db: Database,
  run: string,
  expiresAt: number,
  cursors: Cursors,
): Promise<boolean> {
  const row = await db
    .prepare(
      `UPDATE gc_state SET lease_expires_at = ?2, cursors = ?3 WHERE id = 1 AND holder = ?1 RETURNING 1`,
    )
    .bind(run, expiresAt, JSON.stringify(cursors))
    .first();
  return row !== null;
}

/** How many runs are remembered. */
const RUNS_KEPT = 100;

/** Of a run's report, what is more than a text to be kept. */
interface Report {
  id: string;
  startedAt: number;
  outcome: string;
  objectsDeleted: number;
  taken: Record<string, { count: number; bytes: number }>;
}

/** What a run was told to do besides. */
export interface Orders {
  force: boolean;
  adopt: boolean;
}

/** Records what a run did and left, and gives its lease back. */
export async function finishRun(
  db: Database,
  report: Report,
  cursors: Cursors,
  by: Actor,
  { force, adopt }: Orders,
): Promise<void> {
  const { id: run, startedAt, outcome, objectsDeleted, taken } = report;
  const detail = { run, objectsDeleted, taken, ...(force && { force }), ...(adopt && { adopt }) };
  await db.batch([
    db
      .prepare(`INSERT INTO gc_runs (id, started_at, report) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING`)
      .bind(run, startedAt, JSON.stringify(report)),
    db
      .prepare(`UPDATE gc_state SET holder = NULL, cursors = ?2 WHERE id = 1 AND holder = ?1`)
      .bind(run, JSON.stringify(cursors)),
    db
      .prepare(
        `DELETE FROM gc_runs WHERE started_at < (
           SELECT started_at FROM gc_runs WHERE started_at > 0 ORDER BY started_at DESC LIMIT 1 OFFSET ?1)`,
      )
      .bind(RUNS_KEPT - 1),
    ...noteUsageDay(db, Date.now()),
    noteHappening(db, by, { action: "collect", outcome, reference: null, detail }, Date.now()),
  ]);
}

/** When the last run began; null before the first. Milliseconds since the epoch. */
export async function readLastRun(db: Database): Promise<number | null> {
  const row = await db
    .prepare(`SELECT started_at FROM gc_runs WHERE started_at > 0 ORDER BY started_at DESC LIMIT 1`)
    .first<{ started_at: number }>();
  return row?.started_at ?? null;
}

/** Reports of the last runs, the newest first. */
export async function listRuns(db: Database, limit: number): Promise<{ startedAt: number }[]> {
  const rows = await db
    .prepare(`SELECT report FROM gc_runs WHERE started_at > 0 ORDER BY started_at DESC LIMIT ?1`)
    .bind(limit)
    .all<{ report: string }>();
  return rows.map(({ report }) => JSON.parse(report));
}
