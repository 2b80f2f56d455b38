/** What is read and written of a repository that moves, in the database it leaves and in the one it comes to. */

import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName, Tag } from "../../oci/reference.ts";
import type { Database } from "../database.ts";

/** Manifests that are taken out of a database in one statement: each may cascade to hundreds of rows. */
const CLEARED_AT_ONCE = 100;

/** All names, with or without a manifest, in ASCII order. @param after exclusive; "" begins at the first */
export async function listAllNames(db: Database, after: string, limit: number): Promise<RepositoryName[]> {
  const rows = await db
    .prepare(`SELECT name FROM repositories WHERE name > ?1 ORDER BY name LIMIT ?2`)
    .bind(after, limit)
    .all<{ name: RepositoryName }>();
  return rows.map(({ name }) => name);
}

/** Whether something was pushed, or lost a tag, since copying last began. */
const CHANGED = `(EXISTS (SELECT 1 FROM manifests WHERE repository_id = repositories.id AND used_at >= copied_since)
  OR EXISTS (SELECT 1 FROM tags WHERE repository_id = repositories.id AND updated_at >= copied_since))`;

/**
 * Notes that copying begins, unless the repository has been copied whole, and nothing was pushed or deleted since.
 * @returns whether it has to be copied
 */
export async function beginCopy(
  db: Database,
  repository: RepositoryName,
  target: string,
  now: number,
): Promise<boolean> {
  const row = await db
    .prepare(
      `UPDATE repositories SET copied_since = ?3, copied_to = NULL, copied_manifests = NULL
       WHERE name = ?1 AND (copied_to IS NULL OR copied_to <> ?2 OR ${CHANGED}
         OR copied_manifests <> (SELECT count(*) FROM manifests WHERE repository_id = repositories.id)) RETURNING 1`,
    )
    .bind(repository, target, now)
    .first();
  return row !== null;
}

/** Notes that all of it has been copied. @param manifests how many the copy has @returns false when it has others */
export async function finishCopy(
  db: Database,
  repository: RepositoryName,
  target: string,
  manifests: number,
): Promise<boolean> {
  const row = await db
    .prepare(
      `UPDATE repositories SET copied_to = ?2, copied_manifests = ?3
       WHERE name = ?1 AND ?3 = (SELECT count(*) FROM manifests WHERE repository_id = repositories.id) RETURNING 1`,
    )
    .bind(repository, target, manifests)
    .first();
  return row !== null;
}

export async function countManifests(db: Database, repository: RepositoryName): Promise<number> {
  const row = await db
    .prepare(
      `SELECT count(*) AS count FROM manifests WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1)`,
    )
    .bind(repository)
    .first<{ count: number }>();
  return row?.count ?? 0;
}

/** A manifest with all its tags. */
export interface MovingManifest {
  id: number;
  digest: Digest;
  /** Bytes. */
  size: number;
  /** When it was last pulled; null where that is not known. Milliseconds since the epoch. */
  pulled_at: number | null;
  tags: { name: Tag; updatedAt: number }[];
}

/** In the order of their rows. @param after the id of the last one; 0 begins at the first */
export async function listMoving(
  db: Database,
  repository: RepositoryName,
  after: number,
  limit: number,
): Promise<MovingManifest[]> {
  const rows = await db
    .prepare(
      `SELECT id, digest, size, pulled_at,
         (SELECT json_group_array(json_object('name', name, 'updatedAt', updated_at)) FROM tags
          WHERE manifest_id = manifests.id) AS tags
       FROM manifests
       WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND id > ?2 ORDER BY id LIMIT ?3`,
    )
    .bind(repository, after, limit)
    .all<Omit<MovingManifest, "tags"> & { tags: string }>();
  return rows.map((row) => ({ ...row, tags: JSON.parse(row.tags) }));
}

/** A blob where it is now. */
export interface MovingBlob {
  digest: Digest;
  object_key: string;
  /** Bytes. */
  size: number;
}

/** Of those digests, the blobs that the repository holds, and whose objects are not missing. */
export async function listLinked(
  db: Database,
  repository: RepositoryName,
  digests: Digest[],
): Promise<MovingBlob[]> {
  return db
    .prepare(
      `SELECT digest, object_key, size FROM json_each(?2) CROSS JOIN blobs ON digest = value
       JOIN repository_blobs AS link ON link.blob_id = blobs.id
         AND link.repository_id = (SELECT id FROM repositories WHERE name = ?1)
       WHERE missing_at IS NULL LIMIT 20000`,
    )
    .bind(repository, JSON.stringify(digests))
    .all<MovingBlob>();
}

/** Gives a copy, and the copies of its tags, the times of what they are copies of. */
export async function dateCopy(
  db: Database,
  repository: RepositoryName,
  { digest, pulled_at: pulledAt, tags }: MovingManifest,
): Promise<void> {
  await db.batch([
    db
      .prepare(
        `UPDATE manifests SET pulled_at = ?3
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2 AND ?3 IS NOT NULL`,
      )
      .bind(repository, digest, pulledAt),
    db
      .prepare(
        `UPDATE tags SET updated_at = value ->> 'updatedAt' FROM json_each(?2)
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND name = value ->> 'name'`,
      )
      .bind(repository, JSON.stringify(tags)),
  ]);
}

/** Gives a repository that was copied the time of the last push to what it is a copy of. */
export async function dateRepository(
  from: Database,
  to: Database,
  repository: RepositoryName,
): Promise<void> {
  const row = await from
    .prepare(`SELECT pushed_at FROM repositories WHERE name = ?1`)
    .bind(repository)
    .first<{ pushed_at: number }>();
  if (row === null) return;
  await to
    .prepare(`UPDATE repositories SET pushed_at = ?2 WHERE name = ?1`)
    .bind(repository, row.pushed_at)
    .all();
}

/**
 * Takes some manifests of a repository out of a database, with their tags; collection does the rest.
 * @param before only those that no push has relied on since. Milliseconds since the epoch; null for all.
 * @returns whether there may be others
 */
export async function clearSome(
  db: Database,
  repository: RepositoryName,
  before: number | null,
): Promise<boolean> {
  const rows = await db
    .prepare(
      `DELETE FROM manifests WHERE id IN (
         SELECT id FROM manifests
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND used_at < coalesce(?2, used_at + 1)
         LIMIT ?3) RETURNING 1`,
    )
    .bind(repository, before, CLEARED_AT_ONCE)
    .all();
  return rows.length === CLEARED_AT_ONCE;
}

/**
 * When the copying of a repository began that is whole in `target` now. Milliseconds since the epoch.
 * @returns null when there is no such copy, or something was pushed since
 */
export async function copiedSince(
  db: Database,
  repository: RepositoryName,
  target: string,
): Promise<number | null> {
  const row = await db
    .prepare(`SELECT copied_since FROM repositories WHERE name = ?1 AND copied_to = ?2 AND NOT ${CHANGED}`)
    .bind(repository, target)
    .first<{ copied_since: number }>();
  return row?.copied_since ?? null;
}
