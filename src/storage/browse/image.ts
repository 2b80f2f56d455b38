/** What stands around a manifest: its tags, what refers to it, and where else its blobs are. */

import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName, Tag } from "../../oci/reference.ts";
import type { Database } from "../database.ts";

export interface Referrer {
  digest: Digest;
  /** What it refers to. */
  subject: Digest;
  mediaType: string;
  artifactType: string | null;
  /** Of the manifest alone. Bytes. */
  size: number;
}

export interface Surroundings {
  /** The first hundred. */
  tags: Tag[];
  /** What refers to it, and to that again, four deep, a hundred in all. */
  referrers: Referrer[];
  /** Of each blob: names of other repositories that have it too, the first ten. Whoever asks may not know of all. */
  elsewhere: Map<Digest, RepositoryName[]>;
}

interface ReferrerRow extends Omit<Referrer, "mediaType" | "artifactType"> {
  media_type: string;
  artifact_type: string | null;
}

/** @param blobs the first of these are looked for elsewhere */
export async function lookAround(
  db: Database,
  repository: RepositoryName,
  digest: Digest,
  blobs: Digest[],
): Promise<Surroundings> {
  const [tags = [], referrers = [], elsewhere = []] = (await db.batch<unknown>([
    db
      .prepare(
        `SELECT tags.name FROM manifests JOIN tags ON manifest_id = manifests.id
         WHERE manifests.repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2
         ORDER BY tags.name LIMIT 100`,
      )
      .bind(repository, digest),
    db
      .prepare(
        `WITH RECURSIVE held (repository_id, digest, subject, media_type, artifact_type, size, depth) AS (
           SELECT repository_id, digest, subject, media_type, artifact_type, size, 1 FROM manifests
           WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND subject = ?2
           UNION ALL
           SELECT more.repository_id, more.digest, more.subject, more.media_type, more.artifact_type, more.size, depth + 1
           FROM held JOIN manifests AS more
             ON more.repository_id = held.repository_id AND more.subject = held.digest
           WHERE depth < 4 LIMIT 100)
         SELECT digest, subject, media_type, artifact_type, size FROM held`,
      )
      .bind(repository, digest),
    db
      .prepare(
        `SELECT blobs.digest, (SELECT json_group_array(name) FROM (
           SELECT repositories.name FROM repository_blobs AS link
           JOIN repositories ON repositories.id = link.repository_id
           WHERE link.blob_id = blobs.id AND repositories.name <> ?1 LIMIT 10) AS listed) AS names
         FROM json_each(?2) JOIN blobs ON blobs.digest = value`,
      )
      .bind(repository, JSON.stringify(blobs)),
  ])) as [{ name: Tag }[], ReferrerRow[], { digest: Digest; names: string }[]];
  return {
    tags: tags.map(({ name }) => name),
    referrers: referrers.map(({ media_type: mediaType, artifact_type: artifactType, ...rest }) => ({
      ...rest,
      mediaType,
      artifactType,
    })),
    elsewhere: new Map(elsewhere.map(({ digest: blob, names }) => [blob, JSON.parse(names)])),
  };
}

/** How many blobs of a manifest are looked at. */
const MAX_BLOBS = 2000;

/**
 * What would be free once a manifest is deleted and collected: blobs that no other manifest here names, and no other
 * repository has. Of an index nothing: what it names stays.
 * @returns bytes
 */
export async function weighFreed(db: Database, repository: RepositoryName, digest: Digest): Promise<number> {
  const row = await db
    .prepare(
      `SELECT coalesce(sum(size), 0) AS bytes FROM (
         SELECT blobs.size FROM manifests
         JOIN manifest_blobs AS reference ON reference.manifest_id = manifests.id
         JOIN blobs ON blobs.id = reference.blob_id
         WHERE manifests.repository_id = (SELECT id FROM repositories WHERE name = ?1) AND manifests.digest = ?2
           AND NOT EXISTS (SELECT 1 FROM manifest_blobs AS other
                           WHERE other.repository_id = reference.repository_id AND other.blob_id = reference.blob_id
                             AND other.manifest_id <> reference.manifest_id)
           AND NOT EXISTS (SELECT 1 FROM repository_blobs AS link
                           WHERE link.blob_id = reference.blob_id AND link.repository_id <> reference.repository_id)
         LIMIT ?3) AS listed`,
    )
    .bind(repository, digest, MAX_BLOBS)
    .first<{ bytes: number }>();
  return row?.bytes ?? 0;
}

/** Digests of a repository's manifests, for those who delete them all. @param limit how many */
export async function listManifests(
  db: Database,
  repository: RepositoryName,
  limit: number,
): Promise<Digest[]> {
  const rows = await db
    .prepare(
      `SELECT digest FROM manifests
       WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest > '' ORDER BY digest LIMIT ?2`,
    )
    .bind(repository, limit)
    .all<{ digest: Digest }>();
  return rows.map(({ digest }) => digest);
}
