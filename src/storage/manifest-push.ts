/** Pushing a manifest: it is accepted with everything it names, or not at all. */

import { log } from "../log.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { type Actor, noteMoves, notePush } from "./audit.ts";
import { dropObject } from "./blob-push.ts";
import { type Database, isConstraintViolation } from "./database.ts";
import {
  moveTags,
  type NewManifest,
  noteMissingManifests,
  referenceBlobs,
  referenceManifests,
  slices,
  upsertManifest,
} from "./manifest-rows.ts";
import { newObjectKey } from "./objects/keys.ts";
import { ensureRepository } from "./repositories.ts";
import type { Stores } from "./stores.ts";

/** The largest manifest kept in its row, in bytes. D1 refuses rows above 2,000,000 (the simulator does not). */
const MAX_INLINE_SIZE = 1_000_000;

/** How often a push is tried again because something it names came or went meanwhile. */
const MAX_TRIES = 5;

/**
 * Stores a manifest and moves its tags to it, in one transaction. Can be repeated.
 * @param sparse whether an index may name manifests that the repository does not hold
 * @returns what it names and the repository does not hold: empty when it was accepted
 */
export async function putManifest(
  stores: Stores,
  repository: RepositoryName,
  pushed: NewManifest,
  sparse: boolean,
  by: Actor,
  now: number,
): Promise<Digest[]> {
  for (let tries = 1; ; tries++) {
    // 1. Look at what it names.
    const references = await resolve(stores.db, repository, pushed.manifest);
    const missing = sparse
      ? references.missingBlobs
      : [...references.missingBlobs, ...references.missingManifests];
    if (missing.length > 0) return missing;
    // 2. Write it with its references. The constraints refuse if one was deleted since step 1: look again.
    try {
      if (await write(stores, repository, pushed, references, by, now)) return [];
      if (tries === MAX_TRIES) throw new Error("the manifest's new object was doomed every time");
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

async function resolve(db: Database, repository: RepositoryName, manifest: Manifest): Promise<Resolved> {
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
  db: Database,
  repository: RepositoryName,
  digests: Digest[],
): Promise<Map<Digest, HoldingRow>> {
  if (digests.length === 0) return new Map();
  const statement = db.prepare(
    `WITH repository AS MATERIALIZED (SELECT id FROM repositories WHERE name = ?1)
     SELECT value AS digest,
            EXISTS (SELECT 1 FROM repository_blobs JOIN blobs USING (digest)
                    WHERE repository_id = (SELECT id FROM repository) AND repository_blobs.digest = value
                      AND missing_at IS NULL) AS is_blob,
            EXISTS (SELECT 1 FROM manifests
                    WHERE repository_id = (SELECT id FROM repository) AND digest = value
                      AND missing_at IS NULL) AS is_manifest
     FROM json_each(?2)`,
  );
  const answers = await db.batch<HoldingRow>(
    slices(digests).map((slice) => statement.bind(repository, slice)),
  );
  return new Map(answers.flat().map((row) => [row.digest, row]));
}

/** @returns false when the new object has been doomed meanwhile, and nothing was written */
async function write(
  { db, objects }: Stores,
  repository: RepositoryName,
  pushed: NewManifest,
  references: Resolved,
  by: Actor,
  now: number,
): Promise<boolean> {
  const objectKey = pushed.bytes.byteLength > MAX_INLINE_SIZE ? newObjectKey("manifests") : null;
  if (objectKey !== null) await objects.put(objectKey, pushed.bytes);
  const statements = [
    ensureRepository(db, repository),
    upsertManifest(db, repository, pushed, objectKey, now),
    ...referenceBlobs(db, repository, pushed.digest, references.blobs),
    ...referenceManifests(db, repository, pushed.digest, references.manifests),
    ...noteMissingManifests(db, repository, pushed.digest, references.missingManifests),
    noteMoves(db, by, repository, pushed, now),
    moveTags(db, repository, pushed, now),
    notePush(db, by, repository, pushed, now),
  ];
  const [, stored] = await db.batch<StoredRow>(statements).catch(async (error) => {
    // A try before may have gone through, with its answer lost: only the database knows whether a row names it.
    // After anything but a refusal that is the orphan walk's to find out.
    if (objectKey !== null && isConstraintViolation(error)) {
      await doomUnnamed(db, objectKey, pushed.bytes.byteLength, Date.now());
    }
    throw error;
  });
  const row = stored?.[0];
  // Written by a try before, then deleted, so the key may not be used again.
  if (row === undefined) return false;
  if (objectKey !== null && row.object_key !== objectKey) {
    await keepOneObject({ db, objects }, row, objectKey, pushed.bytes.byteLength);
  }
  return true;
}

/** Dooms the object of a refused manifest, unless a row names it. */
async function doomUnnamed(db: Database, key: string, bytes: number, now: number): Promise<void> {
  await db
    .prepare(
      `INSERT INTO doomed_objects (object_key, bytes, doomed_at)
       SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM manifests WHERE object_key = ?1) ON CONFLICT DO NOTHING`,
    )
    .bind(key, bytes, now)
    .all();
}

interface StoredRow {
  id: number;
  /** R2 key of the bytes; null when they are in the row. */
  object_key: string | null;
  missing_at: number | null;
}

/**
 * The same manifest had been pushed before: it keeps its object, unless that is missing. Then the new one takes its
 * place.
 */
async function keepOneObject(
  { db, objects }: Stores,
  { id, object_key: old, missing_at: missingAt }: StoredRow,
  key: string,
  size: number,
): Promise<void> {
  if (old === null || (missingAt === null && (await objects.head(old))?.size === size)) {
    return dropObject(objects, key);
  }
  log("object-replaced", { manifest: id, key: old, by: key }, "warn");
  const replaced = await replaceManifestObject(db, id, old, key);
  // Another push was faster.
  if (!replaced) await dropObject(objects, key);
}

/**
 * Puts an object that holds a manifest's verified bytes in the place of one that is missing or broken.
 * @param id of the manifest's row
 * @returns false when the row does not name `old` any more
 */
export async function replaceManifestObject(
  db: Database,
  id: number,
  old: string,
  key: string,
): Promise<boolean> {
  const { rows, repeated } = await db
    .prepare(
      `UPDATE manifests SET object_key = ?1, missing_at = NULL WHERE id = ?2 AND object_key = ?3
         AND NOT EXISTS (SELECT 1 FROM doomed_objects WHERE object_key = ?1) RETURNING 1`,
    )
    .bind(key, id, old)
    .change();
  if (rows.length > 0 || !repeated) return rows.length > 0;
  const row = await db.prepare(`SELECT object_key FROM manifests WHERE id = ?1`).bind(id).first<StoredRow>();
  return row?.object_key === key;
}
