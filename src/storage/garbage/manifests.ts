/** Manifests that collection may take when the policy asks for it. */

import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName } from "../../oci/reference.ts";
import type { Database } from "../database.ts";
import { type Garbage, keyAfter, nextOf, rowsOf, TakenRows } from "./page.ts";

export interface ManifestPolicy {
  /** Manifests that have been untagged since before this go. Null keeps them. Milliseconds since the epoch. */
  untaggedBefore: number | null;
  /** Referrers unused since before this go when their subject has gone. Null keeps them. */
  referrersBefore: number | null;
}

/**
 * No tag, no index names it, and it is either no referrer and old enough, or a referrer of what is not here and old
 * enough. ?1 is the cut for the first, ?2 for the second.
 */
const UNWANTED = `manifests.held = 0
  AND manifests.used_at < CASE WHEN manifests.subject IS NULL THEN ?1 ELSE ?2 END
  AND NOT EXISTS (SELECT 1 FROM tags WHERE tags.manifest_id = manifests.id)
  AND NOT EXISTS (SELECT 1 FROM index_manifests AS parent
                  WHERE parent.repository_id = manifests.repository_id AND parent.digest = manifests.digest)
  AND NOT EXISTS (SELECT 1 FROM manifests AS found
                  WHERE found.repository_id = manifests.repository_id AND found.digest = manifests.subject)`;

interface ManifestRow {
  id: number;
  repository: RepositoryName;
  digest: Digest;
  bytes: number;
  used_at: number;
}

/** What the policy gives up. What an index named that goes here counts as untagged from then on. */
export function unwantedManifests(db: Database, policy: ManifestPolicy): Garbage {
  const cuts = [policy.untaggedBefore ?? 0, policy.referrersBefore ?? 0];
  return {
    async find(after, limit) {
      const [usedAt, id] = keyAfter<[number, number]>(after, [0, 0]);
      const rows = await db
        .prepare(
          `SELECT manifests.id, repositories.name AS repository, manifests.digest, manifests.size AS bytes, used_at
           FROM manifests JOIN repositories ON repositories.id = manifests.repository_id
           WHERE ${UNWANTED} AND manifests.used_at < max(?1, ?2) AND (manifests.used_at, manifests.id) > (?3, ?4)
           ORDER BY manifests.used_at, manifests.id LIMIT ?5`,
        )
        .bind(...cuts, usedAt, id, limit)
        .all<ManifestRow>();
      const candidates = rows.map(({ id, repository, digest, bytes }) => ({
        ...{ row: [id], repository, digest, bytes },
      }));
      return { candidates, next: nextOf(rows, limit, (last) => [last.used_at, last.id]) };
    },

    async take(candidates) {
      const rows = await db
        .prepare(
          `DELETE FROM manifests WHERE id IN (SELECT value ->> 0 FROM json_each(?3)) AND ${UNWANTED} RETURNING id`,
        )
        .bind(...cuts, rowsOf(candidates))
        .all<ManifestRow>();
      return new TakenRows(rows.map(({ id }) => [id]));
    },
  };
}
