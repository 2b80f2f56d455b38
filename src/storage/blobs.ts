/** Blobs: the D1 rows that say which R2 object holds a digest, and which repositories may see it. */

import type { Digest } from "../oci/digest.ts";
import type { ByteRange } from "../oci/range.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { ensureRepository } from "./repositories.ts";

interface BlobRow {
  /** R2 key of the bytes. */
  object_key: string;
  /** Bytes. */
  size: number;
  /** When a push last relied on the link. Milliseconds since the epoch. */
  used_at: number;
}

/**
 * The size of a blob that is linked in a repository; null when it is not. A push may rely on the answer for
 * the grace period: the link is marked as used now, unless that was done within its last quarter.
 */
export async function headBlob(
  db: D1Database,
  repository: RepositoryName,
  digest: Digest,
  now: number,
  gracePeriod: number,
): Promise<number | null> {
  const row = await findBlob(db, repository, digest);
  if (row === null) return null;
  if (row.used_at >= now - gracePeriod / 4) return row.size;
  // The link may have been collected since it was read: then the client must upload.
  const refreshed = await db
    .prepare(
      `UPDATE repository_blobs SET used_at = ?3
       WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2 RETURNING 1`,
    )
    .bind(repository, digest, now)
    .first();
  return refreshed === null ? null : row.size;
}

export interface BlobContent {
  /** Bytes of the whole blob. */
  size: number;
  /** What of it `body` holds; null for the whole. */
  range: ByteRange | null;
  body: ReadableStream;
}

/**
 * The bytes of a blob that is linked in a repository; null when it is not.
 * @param select called with the blob's size, says which part is wanted: null for the whole
 * @throws what `select` throws
 */
export async function getBlob(
  db: D1Database,
  bucket: R2Bucket,
  repository: RepositoryName,
  digest: Digest,
  select: (size: number) => ByteRange | null,
): Promise<BlobContent | null> {
  let missing: string | null = null;
  for (;;) {
    const row = await findBlob(db, repository, digest);
    if (row === null) return null;
    // A second look at the same key: no collection came between, the object is gone from under its row.
    if (row.object_key === missing) throw new Error(`R2 object ${missing} of blob ${digest} is missing`);
    const range = select(row.size);
    const object = await bucket.get(row.object_key, range === null ? {} : { range });
    if (object !== null) return { size: row.size, range, body: object.body };
    missing = row.object_key;
  }
}

async function findBlob(db: D1Database, repository: RepositoryName, digest: Digest): Promise<BlobRow | null> {
  return db
    .prepare(
      `SELECT blobs.object_key, blobs.size, link.used_at
       FROM repositories
       JOIN repository_blobs AS link ON link.repository_id = repositories.id
       JOIN blobs ON blobs.digest = link.digest
       WHERE repositories.name = ?1 AND link.digest = ?2`,
    )
    .bind(repository, digest)
    .first<BlobRow>();
}

/** What an R2 object holds, as verified before {@link commitBlob}. */
export interface StoredObject {
  key: string;
  digest: Digest;
  /** Bytes. */
  size: number;
}

/**
 * Makes a verified object the blob of its digest, and links that in a repository. Can be repeated.
 * @returns "duplicate" when another object already is that blob: it was linked instead, and this one may be
 * deleted; "doomed" when this object has been doomed meanwhile: nothing was linked
 */
export async function commitBlob(
  db: D1Database,
  repository: RepositoryName,
  object: StoredObject,
  now: number,
): Promise<"committed" | "duplicate" | "doomed"> {
  const [, blob] = await db.batch<{ object_key: string }>([
    ensureRepository(db, repository),
    db
      .prepare(
        `INSERT INTO blobs (digest, object_key, size, used_at)
         SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM doomed_objects WHERE object_key = ?2)
         ON CONFLICT (digest) DO UPDATE SET used_at = excluded.used_at RETURNING object_key`,
      )
      .bind(object.digest, object.key, object.size, now),
    db
      .prepare(
        `INSERT INTO repository_blobs (repository_id, digest, used_at)
         SELECT id, ?2, ?3 FROM repositories
         WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM doomed_objects WHERE object_key = ?4)
         ON CONFLICT DO UPDATE SET used_at = excluded.used_at`,
      )
      .bind(repository, object.digest, now, object.key),
  ]);
  const key = blob?.results[0]?.object_key;
  if (key === undefined) return "doomed";
  return key === object.key ? "committed" : "duplicate";
}

/** Dooms an object, unless it has become a blob. For a commit whose outcome is not known. */
export async function doomUncommitted(db: D1Database, key: string, now: number): Promise<void> {
  await db
    .prepare(
      `INSERT INTO doomed_objects (object_key, doomed_at)
       SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE object_key = ?1) ON CONFLICT DO NOTHING`,
    )
    .bind(key, now)
    .run();
}

/**
 * Links a blob of one repository in another.
 * @returns false when `from` does not hold it
 */
export async function mountBlob(
  db: D1Database,
  digest: Digest,
  from: RepositoryName,
  to: RepositoryName,
  now: number,
): Promise<boolean> {
  const [, linked] = await db.batch([
    db
      .prepare(
        `INSERT INTO repositories (name)
         SELECT ?1 FROM repository_blobs
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?2) AND digest = ?3
         ON CONFLICT DO NOTHING`,
      )
      .bind(to, from, digest),
    db
      .prepare(
        `INSERT INTO repository_blobs (repository_id, digest, used_at)
         SELECT target.id, source.digest, ?4
         FROM repository_blobs AS source JOIN repositories AS target ON target.name = ?1
         WHERE source.repository_id = (SELECT id FROM repositories WHERE name = ?2) AND source.digest = ?3
         ON CONFLICT DO UPDATE SET used_at = excluded.used_at RETURNING 1`,
      )
      .bind(to, from, digest, now),
  ]);
  return linked !== undefined && linked.results.length > 0;
}

/**
 * Takes a blob out of a repository. Its bytes go when no repository has it and the grace period is over.
 * @returns the digest of a manifest that names the blob when one does, and then the blob stays
 */
export async function unlinkBlob(
  db: D1Database,
  repository: RepositoryName,
  digest: Digest,
): Promise<"unlinked" | "unknown" | { namedBy: Digest }> {
  const [naming, deleted] = await db.batch<{ manifest_digest: Digest }>([
    db
      .prepare(
        `SELECT manifest_digest FROM manifest_blobs
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2 LIMIT 1`,
      )
      .bind(repository, digest),
    db
      .prepare(
        `DELETE FROM repository_blobs
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2
           AND NOT EXISTS (SELECT 1 FROM manifest_blobs
                           WHERE repository_id = repository_blobs.repository_id AND digest = ?2)
         RETURNING digest`,
      )
      .bind(repository, digest),
  ]);
  const manifest = naming?.results[0]?.manifest_digest;
  if (manifest !== undefined) return { namedBy: manifest };
  return deleted?.results.length ? "unlinked" : "unknown";
}
