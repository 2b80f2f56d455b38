/** Events of the audit trail that have been kept for long enough. */

import type { Database } from "../database.ts";
import { type Garbage, keyAfter, nextOf, rowsOf, TakenRows } from "./page.ts";

/** Events from before `cut`, in milliseconds since the epoch. */
export function eventsBefore(db: Database, cut: number): Garbage {
  return {
    async find(after, limit) {
      const [at, id] = keyAfter<[number, string]>(after, [0, ""]);
      const rows = await db
        .prepare(
          `SELECT at, id FROM audit_events WHERE at < ?1 AND (at, id) > (?2, ?3) ORDER BY at, id LIMIT ?4`,
        )
        .bind(cut, at, id, limit)
        .all<{ at: number; id: string }>();
      const candidates = rows.map((row) => ({ row: [row.id], repository: null, digest: null, bytes: 0 }));
      return { candidates, next: nextOf(rows, limit, (last) => [last.at, last.id]) };
    },

    async take(candidates) {
      await db
        .prepare(`DELETE FROM audit_events WHERE id IN (SELECT value ->> 0 FROM json_each(?1))`)
        .bind(rowsOf(candidates))
        .all();
      return new TakenRows(candidates.map(({ row }) => row));
    },
  };
}
