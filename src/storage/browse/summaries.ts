/** What a list says of each repository. All that is counted is counted up to a limit, and then said to be more. */

import type { RepositoryName } from "../../oci/reference.ts";
import type { Database } from "../database.ts";

/** What is counted of one repository at most. */
const MAX_TAGS = 100;
const MAX_BLOBS = 300;

/** Among how many of its last events the last push is looked for. */
const MAX_EVENTS = 30;

export interface Summary {
  name: RepositoryName;
  tags: { count: number; more: boolean };
  /** Of blobs. `shared`: those that another repository has too. `more`: there are others that were not counted. */
  bytes: { all: number; shared: number; more: boolean };
  /** Milliseconds since the epoch, and by whom; null where neither tags nor events tell. */
  pushed: { at: number; by: string | null } | null;
  /** To the day: see pulls.ts. Milliseconds since the epoch; null for no pull that was noted. */
  pulledAt: number | null;
}

interface SummaryRow {
  name: RepositoryName;
  /** JSON: how many, and when the last of them was set. */
  tags: string;
  /** JSON: how many, bytes, and bytes of those that others have too. */
  blobs: string;
  /** JSON: when, and by whom; null when no event tells. */
  pushed: string | null;
  pulled_at: number | null;
}

/**
 * Of those that there are, in the order of their names.
 * @param names a page of them
 * @param maxBlobs of each, how many blobs are weighed
 */
export async function summarize(
  db: Database,
  names: RepositoryName[],
  maxBlobs = MAX_BLOBS,
): Promise<Summary[]> {
  if (names.length === 0) return [];
  const rows = await db
    .prepare(
      `SELECT repositories.name, repositories.pulled_at,
         (SELECT json_array(count(*), max(updated_at)) FROM (
            SELECT updated_at FROM tags WHERE repository_id = repositories.id LIMIT ?2) AS listed) AS tags,
         (SELECT json_array(count(*), coalesce(sum(size), 0), coalesce(sum(iif(shared, size, 0)), 0)) FROM (
            SELECT size, EXISTS (SELECT 1 FROM repository_blobs AS other
                                 WHERE other.blob_id = link.blob_id AND other.repository_id <> link.repository_id) AS shared
            FROM repository_blobs AS link JOIN blobs ON blobs.id = link.blob_id
            WHERE link.repository_id = repositories.id LIMIT ?3) AS listed) AS blobs,
         (SELECT json_array(at, actor) FROM (
            SELECT at, actor, action FROM audit_events WHERE repository = repositories.name AND at > 0
            ORDER BY at DESC, id DESC LIMIT ?4) AS listed WHERE action = 'push-manifest' LIMIT 1) AS pushed
       FROM json_each(?1) JOIN repositories ON repositories.name = value ORDER BY repositories.name`,
    )
    .bind(JSON.stringify(names), MAX_TAGS + 1, maxBlobs + 1, MAX_EVENTS)
    .all<SummaryRow>();
  return rows.map((row) => summaryOf(row, maxBlobs));
}

function summaryOf(
  { name, tags, blobs, pushed, pulled_at: pulledAt }: SummaryRow,
  maxBlobs: number,
): Summary {
  const [tagCount, tagged] = JSON.parse(tags) as [number, number | null];
  const [blobCount, all, shared] = JSON.parse(blobs) as [number, number, number];
  const [at, by] = (pushed === null ? [null, null] : JSON.parse(pushed)) as [number | null, string | null];
  // Events are kept for a while only; of more tags than were read the last one is not known.
  const last = at === null && tagCount <= MAX_TAGS && tagged !== null ? { at: tagged, by: null } : null;
  return {
    name,
    tags: { count: Math.min(tagCount, MAX_TAGS), more: tagCount > MAX_TAGS },
    bytes: { all, shared, more: blobCount > maxBlobs },
    pushed: at === null ? last : { at, by },
    pulledAt,
  };
}
