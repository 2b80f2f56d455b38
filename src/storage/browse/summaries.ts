/** What a list says of each repository. What is counted is counted up to a limit, and then said to be more. */

import type { RepositoryName } from "../../oci/reference.ts";
import type { Database } from "../database.ts";

/** What is counted of one repository at most. */
const MAX_TAGS = 100;
const MAX_BLOBS = 300;

export interface Summary {
  name: RepositoryName;
  tags: { count: number; more: boolean };
  /**
   * Of blobs. `shared`: those that another repository has too; `own`: the others. `more`: there are blobs of which
   * that was not asked.
   */
  bytes: { all: number; shared: number; own: number; more: boolean };
  /** Milliseconds since the epoch, and by whom, where an event tells; null for never. */
  pushed: { at: number; by: string | null } | null;
  /** To the day: see pulls.ts. Milliseconds since the epoch; null for no pull that was noted. */
  pulledAt: number | null;
}

interface SummaryRow {
  name: RepositoryName;
  bytes: number;
  /** How many. */
  tags: number;
  /** JSON: how many, bytes of those that others have too, and of those that none has. */
  blobs: string;
  pushed_at: number;
  pushed_by: string | null;
  pulled_at: number;
}

/**
 * Of those that there are, in the order of their names.
 * @param names a page of them
 * @param maxBlobs of each, of how many blobs is asked whether others have them
 */
export async function summarize(
  db: Database,
  names: RepositoryName[],
  maxBlobs = MAX_BLOBS,
): Promise<Summary[]> {
  if (names.length === 0) return [];
  const rows = await db
    .prepare(
      `SELECT repositories.name, bytes, pushed_at, pulled_at,
         (SELECT count(*) FROM (SELECT 1 FROM tags WHERE repository_id = repositories.id LIMIT ?2) AS listed) AS tags,
         (SELECT json_array(count(*), coalesce(sum(iif(shared, size, 0)), 0), coalesce(sum(iif(shared, 0, size)), 0)) FROM (
            SELECT size, EXISTS (SELECT 1 FROM repository_blobs AS other
                                 WHERE other.blob_id = link.blob_id AND other.repository_id <> link.repository_id) AS shared
            FROM repository_blobs AS link JOIN blobs ON blobs.id = link.blob_id
            WHERE link.repository_id = repositories.id LIMIT ?3) AS listed) AS blobs,
         (SELECT actor FROM audit_events
          WHERE repository = repositories.name AND at = pushed_at AND action = 'push-manifest' LIMIT 1) AS pushed_by
       FROM json_each(?1) JOIN repositories ON repositories.name = value ORDER BY repositories.name`,
    )
    .bind(JSON.stringify(names), MAX_TAGS + 1, maxBlobs + 1)
    .all<SummaryRow>();
  return rows.map((row) => summaryOf(row, maxBlobs));
}

function summaryOf(row: SummaryRow, maxBlobs: number): Summary {
  const [blobs, shared, own] = JSON.parse(row.blobs) as [number, number, number];
  return {
    name: row.name,
    tags: { count: Math.min(row.tags, MAX_TAGS), more: row.tags > MAX_TAGS },
    bytes: { all: row.bytes, shared, own, more: blobs > maxBlobs },
    pushed: row.pushed_at === 0 ? null : { at: row.pushed_at, by: row.pushed_by },
    pulledAt: row.pulled_at === 0 ? null : row.pulled_at,
  };
}
