/** How what the registry holds has grown and shrunk, by days. */

import type { Database, Statement } from "./database.ts";

const DAY = 86_400_000;

/** Days that are kept: ten years. */
const KEPT = 3653;

export interface UsageDay {
  /** Its beginning in UTC. Milliseconds since the epoch. */
  at: number;
  repositories: number;
  manifests: number;
  blobs: number;
  /** Blobs, each once, and manifests. */
  bytes: number;
}

/** The statements that note what is there now as the day's, for the batch that ends a collection. */
export function noteUsageDay(db: Database, now: number): Statement[] {
  const day = Math.floor(now / DAY);
  return [
    db
      .prepare(
        `INSERT INTO usage_days (day, repositories, manifests, blobs, bytes)
         SELECT ?1, repositories, manifests, blobs, blob_bytes + manifest_bytes FROM totals WHERE totals.id = 1
         ON CONFLICT (day) DO UPDATE SET repositories = excluded.repositories, manifests = excluded.manifests,
           blobs = excluded.blobs, bytes = excluded.bytes`,
      )
      .bind(day),
    db.prepare(`DELETE FROM usage_days WHERE day < ?1`).bind(day - KEPT),
  ];
}

/** The last days of which something is known, the oldest first. @param limit how many */
export async function listUsageDays(db: Database, limit: number): Promise<UsageDay[]> {
  const rows = await db
    .prepare(
      `SELECT day, repositories, manifests, blobs, bytes FROM usage_days WHERE day > 0 ORDER BY day DESC LIMIT ?1`,
    )
    .bind(limit)
    .all<Omit<UsageDay, "at"> & { day: number }>();
  return rows.reverse().map(({ day, ...rest }) => ({ at: day * DAY, ...rest }));
}
