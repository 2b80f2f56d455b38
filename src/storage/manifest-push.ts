/** Pushing a manifest: it is accepted with everything it names, or not at all. */

import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { RepositoryName, Tag } from "../oci/reference.ts";
import { newObjectKey } from "./objects.ts";
import { ensureRepository } from "./repositories.ts";

/** The largest manifest kept in its row, in bytes. D1 refuses rows above 2,000,000 (the simulator does not). */
const MAX_INLINE_SIZE = 1_000_000;

/** The largest annotations kept beside a manifest, in bytes of JSON: a page of 1,000 referrers stays small. */
const MAX_INLINE_ANNOTATIONS = 4096;

/** Digests bound to one statement as JSON. D1 refuses values above 2,000,000 bytes; a digest takes at most 138. */
const DIGESTS_PER_STATEMENT = 5000;

/** How often a push is tried again because something it names came or went meanwhile. */
const MAX_TRIES = 5;

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
 * Stores a manifest and moves its tags to it, in one transaction. Can be repeated.
 * @param sparse whether an index may name manifests that the repository does not hold
 * @returns what it names and the repository does not hold: empty when it was accepted
 */
export async function putManifest(
  db: D1Database,
  bucket: R2Bucket,
  repository: RepositoryName,
  pushed: NewManifest,
  sparse: boolean,
  now: number,
): Promise<Digest[]> {
  for (let tries = 1; ; tries++) {
    // 1. Look at what it names.
    const references = await resolve(db, repository, pushed.manifest);
    const missing = sparse
      ? references.missingBlobs
      : [...references.missingBlobs, ...references.missingManifests];
    if (missing.length > 0) return missing;
    // 2. Write it with its references. The constraints refuse if one was deleted since step 1: look again.
    try {
      await write(db, bucket, repository, pushed, references, now);
      return [];
    } catch (error) {
      if (!isConstraintViolation(error) || tries === MAX_TRIES) throw error;
    }
  }
}

interface Resolved {
  /** Blobs that the manifest holds on to. */
  blobs: Digest[];
  /** Manifests that the index names and the repository holds. */
  manifests: Digest[];
  missingBlobs: Digest[];
  missingManifests: Digest[];
}

async function resolve(db: D1Database, repository: RepositoryName, manifest: Manifest): Promise<Resolved> {
  const held = await holdings(db, repository, [
    ...manifest.blobs,
    ...manifest.nonDistributable,
    ...manifest.manifests,
  ]);
  const isBlob = (digest: Digest) => held.get(digest)?.is_blob === 1;
  const isManifest = (digest: Digest) => held.get(digest)?.is_manifest === 1;
  return {
    blobs: [
      ...manifest.blobs,
      ...manifest.nonDistributable.filter(isBlob),
      // BuildKit exports its cache as an index that names layers, which are blobs.
      ...manifest.manifests.filter((digest) => !isManifest(digest) && isBlob(digest)),
    ],
    manifests: manifest.manifests.filter(isManifest),
    missingBlobs: manifest.blobs.filter((digest) => !isBlob(digest)),
    missingManifests: manifest.manifests.filter((digest) => !isManifest(digest) && !isBlob(digest)),
  };
}

interface HoldingRow {
  digest: Digest;
  is_blob: 0 | 1;
  is_manifest: 0 | 1;
}

/** Which of these digests the repository holds, and as what. */
async function holdings(
  db: D1Database,
  repository: RepositoryName,
  digests: Digest[],
): Promise<Map<Digest, HoldingRow>> {
  if (digests.length === 0) return new Map();
  const statement = db.prepare(
    `WITH repository AS MATERIALIZED (SELECT id FROM repositories WHERE name = ?1)
     SELECT value AS digest,
            EXISTS (SELECT 1 FROM repository_blobs
                    WHERE repository_id = (SELECT id FROM repository) AND digest = value) AS is_blob,
            EXISTS (SELECT 1 FROM manifests
                    WHERE repository_id = (SELECT id FROM repository) AND digest = value) AS is_manifest
     FROM json_each(?2)`,
  );
  const results = await db.batch<HoldingRow>(
    slices(digests).map((slice) => statement.bind(repository, slice)),
  );
  return new Map(results.flatMap(({ results }) => results).map((row) => [row.digest, row]));
}

async function write(
  db: D1Database,
  bucket: R2Bucket,
  repository: RepositoryName,
  pushed: NewManifest,
  references: Resolved,
  now: number,
): Promise<void> {
  const objectKey = pushed.bytes.byteLength > MAX_INLINE_SIZE ? newObjectKey("manifests") : null;
  if (objectKey !== null) await bucket.put(objectKey, pushed.bytes);
  const statements = [
    ensureRepository(db, repository),
    upsertManifest(db, repository, pushed, objectKey, now),
    ...referenceBlobs(db, repository, pushed.digest, references.blobs),
    ...referenceManifests(db, repository, pushed.digest, references.manifests),
    ...noteMissingManifests(db, repository, pushed.digest, references.missingManifests),
    moveTags(db, repository, pushed, now),
  ];
  const results = await db.batch<{ object_key: string | null }>(statements).catch(async (error) => {
    // Only a refusal is certain. After anything else a row may name the object: the orphan walk finds out.
    if (objectKey !== null && isConstraintViolation(error)) await bucket.delete(objectKey);
    throw error;
  });
  // The same manifest had been pushed before, and keeps its object.
  if (objectKey !== null && results[1]?.results[0]?.object_key !== objectKey) await bucket.delete(objectKey);
}

function upsertManifest(
  db: D1Database,
  repository: RepositoryName,
  { manifest, digest, bytes, text }: NewManifest,
  objectKey: string | null,
  now: number,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO manifests
         (repository_id, digest, media_type, size, content, object_key, subject, artifact_type, annotations, used_at)
       SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM repositories WHERE name = ?1
       ON CONFLICT (repository_id, digest)
         DO UPDATE SET media_type = excluded.media_type, artifact_type = excluded.artifact_type,
                       used_at = excluded.used_at
       RETURNING object_key`,
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
    );
}

function inlineAnnotations(annotations: Record<string, string>): string | null {
  const json = JSON.stringify(annotations);
  return new TextEncoder().encode(json).byteLength > MAX_INLINE_ANNOTATIONS ? null : json;
}

function referenceBlobs(db: D1Database, repository: RepositoryName, digest: Digest, blobs: Digest[]) {
  const statement = db.prepare(
    `INSERT INTO manifest_blobs (repository_id, manifest_digest, digest)
     SELECT repositories.id, ?2, value FROM repositories JOIN json_each(?3) WHERE repositories.name = ?1 ON CONFLICT DO NOTHING`,
  );
  return slices(blobs).map((slice) => statement.bind(repository, digest, slice));
}

function referenceManifests(db: D1Database, repository: RepositoryName, digest: Digest, manifests: Digest[]) {
  // A manifest that has gone meanwhile is a NULL here, which the table refuses.
  const statement = db.prepare(
    `INSERT INTO index_manifests (repository_id, index_digest, digest)
     SELECT repositories.id, ?2,
            (SELECT digest FROM manifests WHERE repository_id = repositories.id AND digest = value)
     FROM repositories JOIN json_each(?3) WHERE repositories.name = ?1 ON CONFLICT DO NOTHING`,
  );
  return slices(manifests).map((slice) => statement.bind(repository, digest, slice));
}

/** A sparse index: what it names may come later, and then it must stay. */
function noteMissingManifests(db: D1Database, repository: RepositoryName, digest: Digest, missing: Digest[]) {
  const statement = db.prepare(
    `INSERT INTO index_manifests (repository_id, index_digest, digest)
     SELECT repositories.id, ?2, value FROM repositories JOIN json_each(?3)
     WHERE repositories.name = ?1 ON CONFLICT DO NOTHING`,
  );
  return slices(missing).map((slice) => statement.bind(repository, digest, slice));
}

function moveTags(db: D1Database, repository: RepositoryName, { digest, tags }: NewManifest, now: number) {
  return db
    .prepare(
      `INSERT INTO tags (repository_id, name, digest, updated_at)
       SELECT repositories.id, value, ?2, ?4 FROM repositories JOIN json_each(?3) WHERE repositories.name = ?1
       ON CONFLICT (repository_id, name) DO UPDATE SET digest = excluded.digest, updated_at = excluded.updated_at`,
    )
    .bind(repository, digest, JSON.stringify(tags), now);
}

function slices(digests: Digest[]): string[] {
  const texts: string[] = [];
  for (let start = 0; start < digests.length; start += DIGESTS_PER_STATEMENT) {
    texts.push(JSON.stringify(digests.slice(start, start + DIGESTS_PER_STATEMENT)));
  }
  return texts;
}

function isConstraintViolation(error: unknown): boolean {
  return /(FOREIGN KEY|NOT NULL) constraint failed/.test(String(error));
}
