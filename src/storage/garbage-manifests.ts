/** Manifests that collection may take when the policy asks for it. */

import type { Digest } from "../oci/digest.ts";
import type { RepositoryName } from "../oci/reference.ts";
import type { GarbagePage } from "./garbage.ts";

export interface ManifestPolicy {
  /** Untagged manifests last used before this go. Null keeps them. Milliseconds since the epoch. */
  untaggedBefore: number | null;
  /** Referrers last used before this go when their subject has gone. Null keeps them. */
  referrersBefore: number | null;
}

interface CandidateRow {
  rowid: number;
  repository: RepositoryName;
  digest: Digest;
  bytes: number;
  taken: 0 | 1;
}

/**
 * Looks at a page of manifests, and takes those that have no tag, that no index names, and that are either no
 * referrers and old enough, or referrers of what is not here and old enough. What an index named that goes here
 * is found by the next walk.
 * @param after the row behind which to look, as text
 */
export async function takeManifests(
  db: D1Database,
  policy: ManifestPolicy,
  after: string | null,
  limit: number,
  dry: boolean,
): Promise<GarbagePage> {
  const untagged = policy.untaggedBefore ?? 0;
  const referrers = policy.referrersBefore ?? 0;
  const { results } = await db
    .prepare(
      `SELECT manifests.rowid, repositories.name AS repository, manifests.digest, manifests.size AS bytes,
              used_at < CASE WHEN subject IS NULL THEN ?2 ELSE ?3 END
                AND NOT EXISTS (SELECT 1 FROM tags WHERE tags.repository_id = manifests.repository_id
                                AND tags.digest = manifests.digest)
                AND NOT EXISTS (SELECT 1 FROM index_manifests AS parent
                                WHERE parent.repository_id = manifests.repository_id
                                AND parent.digest = manifests.digest)
                AND NOT EXISTS (SELECT 1 FROM manifests AS found
                                WHERE found.repository_id = manifests.repository_id
                                AND found.digest = manifests.subject) AS taken
       FROM manifests JOIN repositories ON repositories.id = manifests.repository_id
       WHERE manifests.rowid > ?1 ORDER BY manifests.rowid LIMIT ?4`,
    )
    .bind(Number(after ?? 0), untagged, referrers, limit)
    .all<CandidateRow>();
  const next = results.length < limit ? null : String(results.at(-1)?.rowid);
  const candidates = results.filter(({ taken }) => taken === 1);
  if (candidates.length === 0) return { taken: [], next };
  const gone = dry ? null : await deleteCandidates(db, candidates, untagged, referrers);
  const taken = candidates
    .filter(({ rowid }) => gone === null || gone.has(rowid))
    .map(({ repository, digest, bytes }) => ({ repository, digest, bytes }));
  return { taken, next };
}

/** @returns the rows that were deleted: since they were read, one may have become needed */
async function deleteCandidates(
  db: D1Database,
  candidates: CandidateRow[],
  untagged: number,
  referrers: number,
): Promise<Set<number>> {
  const { results } = await db
    .prepare(
      `DELETE FROM manifests
         WHERE rowid IN (SELECT value FROM json_each(?1))
           AND used_at < CASE WHEN subject IS NULL THEN ?2 ELSE ?3 END
           AND NOT EXISTS (SELECT 1 FROM tags WHERE tags.repository_id = manifests.repository_id
                           AND tags.digest = manifests.digest)
           AND NOT EXISTS (SELECT 1 FROM index_manifests AS parent
                           WHERE parent.repository_id = manifests.repository_id AND parent.digest = manifests.digest)
           AND NOT EXISTS (SELECT 1 FROM manifests AS found
                           WHERE found.repository_id = manifests.repository_id AND found.digest = manifests.subject)
         RETURNING rowid AS id`,
    )
    .bind(JSON.stringify(candidates.map(({ rowid }) => rowid)), untagged, referrers)
    .all<{ id: number }>();
  return new Set(results.map(({ id }) => id));
}
