/** Tags of a repository, as people look at them: in any order, with what each names. */

import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName, Tag } from "../../oci/reference.ts";
import type { Database, Statement } from "../database.ts";

/** A tag by itself. */
export interface TagKey {
  name: Tag;
  /** Milliseconds since the epoch. */
  updatedAt: number;
}

/** In ASCII order; null when there is no such repository. @param limit how many are read */
export async function listTagKeys(
  db: Database,
  repository: RepositoryName,
  limit: number,
): Promise<TagKey[] | null> {
  // The left join answers one row without a tag for a repository that has none.
  const rows = await db
    .prepare(
      `SELECT tags.name, tags.updated_at FROM repositories
       LEFT JOIN tags ON tags.repository_id = repositories.id
       WHERE repositories.name = ?1 AND listed = 1 ORDER BY tags.name LIMIT ?2`,
    )
    .bind(repository, limit)
    .all<{ name: Tag | null; updated_at: number }>();
  if (rows.length === 0) return null;
  return rows.flatMap(({ name, updated_at: updatedAt }) => (name === null ? [] : [{ name, updatedAt }]));
}

// CROSS JOIN begins with what is asked for: SQLite would begin with a manifest, and read all its tags.

/** Of one image or index, how many of its blobs are weighed. */
const MAX_BLOBS = 200;

/** Blobs of a manifest, and of those that it names as an index, each once. For statements with ?3 as the limit. */
const WEIGHT = `(SELECT coalesce(sum(size), 0) FROM (
    SELECT DISTINCT blobs.id, blobs.size FROM manifest_blobs AS reference JOIN blobs ON blobs.id = reference.blob_id
    WHERE reference.manifest_id = manifests.id
    UNION
    SELECT blobs.id, blobs.size
    FROM index_manifests CROSS JOIN manifests AS child
      ON child.repository_id = index_manifests.repository_id AND child.digest = index_manifests.digest
    CROSS JOIN manifest_blobs AS reference ON reference.manifest_id = child.id
    JOIN blobs ON blobs.id = reference.blob_id
    WHERE index_manifests.index_id = manifests.id
    LIMIT ?3) AS listed)`;

/** How large what each tag names is. Bytes. @param tags some hundred at most */
export async function weighTags(
  db: Database,
  repository: RepositoryName,
  tags: Tag[],
): Promise<Map<Tag, number>> {
  const rows = await db
    .prepare(
      `SELECT tags.name, ${WEIGHT} AS bytes
       FROM json_each(?2) CROSS JOIN tags ON tags.name = value
         AND tags.repository_id = (SELECT id FROM repositories WHERE name = ?1)
       CROSS JOIN manifests ON manifests.id = tags.manifest_id`,
    )
    .bind(repository, JSON.stringify(tags), MAX_BLOBS)
    .all<{ name: Tag; bytes: number }>();
  return new Map(rows.map(({ name, bytes }) => [name, bytes]));
}

/** When what each tag names was last pulled, of those of which that was noted. Milliseconds since the epoch. */
export async function listPulls(
  db: Database,
  repository: RepositoryName,
  limit: number,
): Promise<Map<Tag, number>> {
  const rows = await db
    .prepare(
      `SELECT listed.name, manifests.pulled_at
       FROM (SELECT name, manifest_id FROM tags
             WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) ORDER BY name LIMIT ?2) AS listed
       CROSS JOIN manifests ON manifests.id = listed.manifest_id WHERE manifests.pulled_at IS NOT NULL`,
    )
    .bind(repository, limit)
    .all<{ name: Tag; pulled_at: number }>();
  return new Map(rows.map(({ name, pulled_at: at }) => [name, at]));
}

/** The largest manifest that is read for a list. Bytes. */
const MAX_CONTENT = 64 * 1024;

export interface DescribedTag extends TagKey {
  digest: Digest;
  mediaType: string;
  /** Of the manifest alone. Bytes. */
  manifestSize: number;
  /** Of what it names, the first blobs of very many. Bytes. */
  bytes: number;
  /** The manifest itself; null where it is too large for a list. */
  content: string | null;
  /** Artifact types of what refers to it, of the first few. */
  referrers: string[];
  /** Who pushed it under this tag; null when no event tells, or nobody's name is in it. */
  pushedBy: string | null;
  /** To the day: see pulls.ts. Milliseconds since the epoch; null for no pull that was noted. */
  pulledAt: number | null;
}

interface TagRow {
  name: Tag;
  updated_at: number;
  digest: Digest;
  media_type: string;
  size: number;
  bytes: number;
  content: string | null;
  /** JSON. */
  referrers: string;
  pushed_by: string | null;
  pulled_at: number | null;
}

/** What a page of tags names, in no order. */
export async function describeTags(
  db: Database,
  repository: RepositoryName,
  tags: Tag[],
): Promise<DescribedTag[]> {
  if (tags.length === 0) return [];
  const rows = await selectTags(db, repository, tags).all<TagRow>();
  return rows.map((row) => ({
    name: row.name,
    updatedAt: row.updated_at,
    digest: row.digest,
    mediaType: row.media_type,
    manifestSize: row.size,
    bytes: row.bytes,
    content: row.content,
    referrers: JSON.parse(row.referrers),
    pushedBy: row.pushed_by,
    pulledAt: row.pulled_at,
  }));
}

/** A push is an event of the moment in which its tags were set. */
function selectTags(db: Database, repository: RepositoryName, tags: Tag[]): Statement {
  return db
    .prepare(
      `SELECT tags.name, tags.updated_at, manifests.digest, manifests.media_type, manifests.size, manifests.pulled_at,
         iif(manifests.size <= ?4, manifests.content, NULL) AS content, ${WEIGHT} AS bytes,
         (SELECT json_group_array(artifact_type) FROM (
            SELECT referrer.artifact_type FROM manifests AS referrer
            WHERE referrer.repository_id = manifests.repository_id AND referrer.subject = manifests.digest
            LIMIT 20) AS listed) AS referrers,
         (SELECT actor FROM audit_events
          WHERE repository = ?1 AND at = tags.updated_at AND action = 'push-manifest' LIMIT 1) AS pushed_by
       FROM json_each(?2) CROSS JOIN tags ON tags.name = value
         AND tags.repository_id = (SELECT id FROM repositories WHERE name = ?1)
       CROSS JOIN manifests ON manifests.id = tags.manifest_id`,
    )
    .bind(repository, JSON.stringify(tags), MAX_BLOBS, MAX_CONTENT);
}

/** Those of `tags` that there are. */
export async function findTags(
  db: Database,
  repository: RepositoryName,
  tags: string[],
): Promise<Set<string>> {
  if (tags.length === 0) return new Set();
  const rows = await db
    .prepare(
      `SELECT tags.name FROM json_each(?2) CROSS JOIN tags ON tags.name = value
       WHERE tags.repository_id = (SELECT id FROM repositories WHERE name = ?1)`,
    )
    .bind(repository, JSON.stringify(tags))
    .all<{ name: string }>();
  return new Set(rows.map(({ name }) => name));
}
