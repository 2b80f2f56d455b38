/** Counters that outlive the isolates that count: each adds what it has counted now and then. */

import type { Database } from "./database.ts";

/** Nothing is repeated for longer. Milliseconds. */
const ADDITIONS_KEPT = 86_400_000;

/** Name → how much it has grown. */
export type Counts = ReadonlyMap<string, number>;

/**
 * Adds to the counters.
 * @param id of this addition: made again under the same one, it adds nothing
 * @throws Unavailable, DatabaseFull; then it may have been made, and is to be made again under its id
 */
export async function addCounts(db: Database, id: string, counts: Counts, now: number): Promise<void> {
  await db.batch([
    db
      .prepare(
        `INSERT INTO counters (name, value) SELECT key, value FROM json_each(?1)
         WHERE NOT EXISTS (SELECT 1 FROM counter_additions WHERE id = ?2)
         ON CONFLICT (name) DO UPDATE SET value = value + excluded.value`,
      )
      .bind(JSON.stringify(Object.fromEntries(counts)), id),
    db
      .prepare(`INSERT INTO counter_additions (id, added_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING`)
      .bind(id, now),
    db.prepare(`DELETE FROM counter_additions WHERE added_at < ?1`).bind(now - ADDITIONS_KEPT),
  ]);
}

export interface Counter {
  name: string;
  value: number;
}

/** More than there can be: nothing that a client may choose is in their names. */
const MAX_COUNTERS = 2000;

/** All of them, in the order of their names. @throws Unavailable */
export async function listCounters(db: Database): Promise<Counter[]> {
  return db
    .prepare(`SELECT name, value FROM counters WHERE name > '' ORDER BY name LIMIT ?1`)
    .bind(MAX_COUNTERS)
    .all<Counter>();
}
