/** Manifests of a repository that no tag leads to: parts of indexes, what refers to others, and what is left over. */

import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName } from "../../oci/reference.ts";
import type { Database } from "../database.ts";

/** Manifests that are looked through for a page. Then it is shorter, or empty, and the next one goes on from there. */
const LOOKED_THROUGH = 1000;

/** Of one, how many of its blobs are weighed. */
const MAX_BLOBS = 200;

export interface Untagged {
  digest: Digest;
  mediaType: string;
  artifactType: string | null;
  /** Of the blobs that it names itself. Bytes. */
  bytes: number;
  /** Whether an index of the repository names it. */
  inIndex: boolean;
  /** What it refers to, which may be gone; null where it refers to nothing. */
  subject: Digest | null;
  /** When a push last relied on it, or when it lost what held it. Milliseconds since the epoch. */
  usedAt: number;
  /** To the day: see pulls.ts. Milliseconds since the epoch; null for no pull that was noted. */
  pulledAt: number | null;
}

interface UntaggedRow {
  digest: Digest;
  media_type: string;
  artifact_type: string | null;
  bytes: number;
  in_index: number;
  subject: Digest | null;
  used_at: number;
  pulled_at: number | null;
}

/**
 * By digest.
 * @param after exclusive; "" begins at the first
 * @returns `next`: where the next page begins; null when there is none
 */
export async function listUntagged(
  db: Database,
  repository: RepositoryName,
  after: string,
  limit: number,
): Promise<{ manifests: Untagged[]; next: Digest | null }> {
  const [rows, [end]] = (await db.batch<unknown>([
    db
      .prepare(
        `SELECT digest, media_type, artifact_type, subject, used_at, pulled_at,
           EXISTS (SELECT 1 FROM index_manifests AS parent
                   WHERE parent.repository_id = listed.repository_id AND parent.digest = listed.digest) AS in_index,
           (SELECT coalesce(sum(size), 0) FROM (
              SELECT blobs.size FROM manifest_blobs AS reference JOIN blobs ON blobs.id = reference.blob_id
              WHERE reference.manifest_id = listed.id LIMIT ?5) AS listed) AS bytes
         FROM (SELECT id, repository_id, digest, media_type, artifact_type, subject, used_at, pulled_at FROM manifests
               WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest > ?2
               ORDER BY digest LIMIT ?3) AS listed
         WHERE NOT EXISTS (SELECT 1 FROM tags WHERE manifest_id = listed.id) ORDER BY digest LIMIT ?4`,
      )
      .bind(repository, after, LOOKED_THROUGH, limit + 1, MAX_BLOBS),
    db
      .prepare(
        `SELECT digest FROM manifests
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest > ?2
         ORDER BY digest LIMIT 1 OFFSET ?3`,
      )
      .bind(repository, after, LOOKED_THROUGH - 1),
  ])) as [UntaggedRow[], { digest: Digest }[]];
  const page = rows.slice(0, limit).map((row) => ({
    ...{ digest: row.digest, mediaType: row.media_type, artifactType: row.artifact_type, bytes: row.bytes },
    ...{ inIndex: row.in_index === 1, subject: row.subject, usedAt: row.used_at, pulledAt: row.pulled_at },
  }));
  const next = rows.length > limit ? (page.at(-1)?.digest ?? null) : (end?.digest ?? null);
  return { manifests: page, next };
}
