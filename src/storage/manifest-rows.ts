/** The statements that write a manifest: its row, what it names, and its tags. One batch takes them all. */

import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { RepositoryName, Tag } from "../oci/reference.ts";
import type { Database, Statement } from "./database.ts";

/** The largest annotations kept beside a manifest, in bytes of JSON: a page of 1,000 referrers stays small. */
const MAX_INLINE_ANNOTATIONS = 4096;

/** Digests bound to one statement as JSON. D1 refuses values above 2,000,000 bytes; a digest takes at most 138. */
const DIGESTS_PER_STATEMENT = 5000;

export interface NewManifest {
  manifest: Manifest;
  digest: Digest;
  /** The exact bytes. */
  bytes: Uint8Array;
  /** The same, decoded. */
  text: string;
  tags: readonly Tag[];
}

/**
 * The manifest's row. Answers `id`, `object_key` and `missing_at`: of an older row when there was one. Bytes that
 * are in the row are written again: a scrub may have found those that were there to be wrong.
 * @param keepsType whether an older row stays the kind of manifest that it is: a tag that may not move names it so
 */
export function upsertManifest(
  db: Database,
  repository: RepositoryName,
  { manifest, digest, bytes, text }: NewManifest,
  objectKey: string | null,
  keepsType: boolean,
  now: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO manifests
         (repository_id, digest, media_type, size, content, object_key, subject, artifact_type, annotations, used_at)
       SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM repositories
       WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM doomed_objects WHERE object_key = ?6)
       ON CONFLICT (repository_id, digest)
         DO UPDATE SET media_type = iif(?11, manifests.media_type, excluded.media_type),
                       artifact_type = iif(?11, manifests.artifact_type, excluded.artifact_type),
                       used_at = excluded.used_at, size = excluded.size,
                       content = CASE WHEN manifests.object_key IS NULL
                                      THEN coalesce(excluded.content, manifests.content) END,
                       missing_at = CASE WHEN manifests.object_key IS NOT NULL OR excluded.content IS NULL
                                         THEN manifests.missing_at END
       RETURNING id, object_key, missing_at`,
    )
    .bind(
      repository,
      digest,
      manifest.mediaType,
      bytes.byteLength,
      objectKey === null ? text : null,
      objectKey,
      manifest.subject,
      manifest.artifactType,
      manifest.subject === null ? null : inlineAnnotations(manifest.annotations),
      now,
      keepsType ? 1 : 0,
    );
}

function inlineAnnotations(annotations: Record<string, string>): string | null {
  const json = JSON.stringify(annotations);
  return new TextEncoder().encode(json).byteLength > MAX_INLINE_ANNOTATIONS ? null : json;
}

/** What the manifest holds on to. The constraints refuse what has gone meanwhile: a blob that has is a NULL here. */
export function referenceBlobs(db: Database, repository: RepositoryName, digest: Digest, blobs: Digest[]) {
  const statement = db.prepare(
    `INSERT INTO manifest_blobs (manifest_id, blob_id, repository_id)
     SELECT manifests.id, (SELECT id FROM blobs WHERE digest = value), repository_id
     FROM manifests JOIN json_each(?3)
     WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2 ON CONFLICT DO NOTHING`,
  );
  return slices(blobs).map((slice) => statement.bind(repository, digest, slice));
}

/** What the index names and the repository holds. */
export function referenceManifests(
  db: Database,
  repository: RepositoryName,
  digest: Digest,
  manifests: Digest[],
) {
  // A manifest that has gone meanwhile is a NULL here, which the table refuses.
  const statement = db.prepare(
    `INSERT INTO index_manifests (index_id, digest, repository_id)
     SELECT parent.id,
            (SELECT digest FROM manifests WHERE repository_id = parent.repository_id AND digest = value),
            parent.repository_id
     FROM manifests AS parent JOIN json_each(?3)
     WHERE parent.repository_id = (SELECT id FROM repositories WHERE name = ?1) AND parent.digest = ?2
     ON CONFLICT DO NOTHING`,
  );
  return slices(manifests).map((slice) => statement.bind(repository, digest, slice));
}

/** A sparse index: what it names may come later, and then it must stay. */
export function noteMissingManifests(
  db: Database,
  repository: RepositoryName,
  digest: Digest,
  missing: Digest[],
) {
  const statement = db.prepare(
    `INSERT INTO index_manifests (index_id, digest, repository_id)
     SELECT manifests.id, value, repository_id FROM manifests JOIN json_each(?3)
     WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2 ON CONFLICT DO NOTHING`,
  );
  return slices(missing).map((slice) => statement.bind(repository, digest, slice));
}

/** Its tags, from whatever they named before. @param fixed those that must not have named anything else */
export function moveTags(
  db: Database,
  repository: RepositoryName,
  { digest, tags }: NewManifest,
  fixed: Tag[],
  now: number,
) {
  // A fixed tag that names another manifest becomes a NULL here, which the table refuses.
  return db
    .prepare(
      `INSERT INTO tags (repository_id, name, manifest_id, updated_at)
       SELECT repository_id, value, manifests.id, ?4 FROM manifests JOIN json_each(?3)
       WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2
       ON CONFLICT (repository_id, name)
         DO UPDATE SET updated_at = excluded.updated_at,
                       manifest_id = CASE WHEN tags.manifest_id = excluded.manifest_id
                                            OR tags.name NOT IN (SELECT value FROM json_each(?5))
                                          THEN excluded.manifest_id END`,
    )
    .bind(repository, digest, JSON.stringify(tags), now, JSON.stringify(fixed));
}

/** Digests as values that can be bound, each small enough. */
export function slices(digests: Digest[]): string[] {
  const texts: string[] = [];
  for (let start = 0; start < digests.length; start += DIGESTS_PER_STATEMENT) {
    texts.push(JSON.stringify(digests.slice(start, start + DIGESTS_PER_STATEMENT)));
  }
  return texts;
}
