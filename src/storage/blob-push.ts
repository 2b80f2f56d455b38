/** Pushing a blob: how bytes become the blob of their digest, by whatever road they come. */

import { log } from "../log.ts";
import type { Digest } from "../oci/digest.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { type Actor, noteBlobPush } from "./audit.ts";
import type { Database, Statement } from "./database.ts";
import { newObjectKey } from "./objects/keys.ts";
import type { Objects, Source } from "./objects/objects.ts";
import { closeUpload, type OpenUpload } from "./open-uploads.ts";
import { findOverQuota, type OverQuota, withinQuota } from "./quota-room.ts";
import { ensureRepository } from "./repositories.ts";
import type { Stores } from "./stores.ts";

/** What an object holds, as verified before {@link commitBlob}. */
export interface StoredObject {
  key: string;
  digest: Digest;
  /** Bytes. */
  size: number;
  /** The upload session that ends with this object's commit, if one does. */
  upload?: OpenUpload | null;
}

/**
 * Stores a whole body of `length` bytes as a blob (end-4b).
 * @returns "mismatch" when it does not hash to `digest`, "interrupted" when it broke off, or the quota that leaves no
 * room for it: then nothing is kept
 * @throws Unavailable, DatabaseFull: whether a row names the object is the orphan walk's to find out
 */
export async function putBlob(
  stores: Stores,
  repository: RepositoryName,
  body: Source,
  length: number,
  digest: Digest,
  by: Actor,
): Promise<"committed" | "mismatch" | "interrupted" | OverQuota> {
  const exceeded = await findOverQuota(stores.db, { repository, owner: by.name, digest }, length);
  if (exceeded !== null) return exceeded;
  stores.db.assertRoom();
  const key = newObjectKey("blobs");
  const outcome = await stores.objects.putVerified(key, body, length, digest);
  // It may have arrived after all, with the answer lost. No row names it.
  if (outcome === "interrupted") await dropObject(stores.objects, key);
  if (outcome !== "stored") return outcome;
  const committed = await commitBlob(stores, repository, { key, digest, size: length }, by, Date.now());
  if (committed === "lost") throw new Error(`the new object ${key} is lost`);
  return committed;
}

/**
 * Makes a verified object the blob of its digest, and links that in a repository. Where another object already is
 * that blob, it is linked and this one goes; where that other one is missing, this one takes its place. Can be
 * repeated as long as the object is there.
 * @returns "lost" when the object has been doomed or found missing meanwhile; or the quota that leaves no room for it:
 * the object is gone
 */
export async function commitBlob(
  stores: Stores,
  repository: RepositoryName,
  object: StoredObject,
  by: Actor,
  now: number,
): Promise<"committed" | "lost" | OverQuota> {
  const addition = { repository, owner: by.name, digest: object.digest };
  for (;;) {
    const blob = await withinQuota(stores.db, addition, object.size, () =>
      link(stores.db, repository, object, by, now),
    );
    if (blob === null) return "lost";
    if ("kind" in blob) {
      await dropRefused(stores, object.key, object.size);
      return blob;
    }
    const { object_key: key, missing_at: missingAt } = blob;
    if (key === object.key) return missingAt === null ? "committed" : "lost";
    // A duplicate. It may only go when what it duplicates is really there.
    if (missingAt === null && (await stores.objects.head(key))?.size === object.size) {
      await dropObject(stores.objects, object.key);
      return "committed";
    }
    log("object-replaced", { digest: object.digest, key, by: object.key }, "warn");
    await replaceObject(stores.db, object, key);
    // The next look finds ours in the row, or that another push was faster.
  }
}

interface LinkedRow {
  /** Of the object that is the blob now. */
  object_key: string;
  /** When that was found to be missing; null as long as it is not. Milliseconds since the epoch. */
  missing_at: number | null;
}

/** @returns null when `object` is doomed */
async function link(
  db: Database,
  repository: RepositoryName,
  object: StoredObject,
  by: Actor,
  now: number,
): Promise<LinkedRow | null> {
  const [, blob] = await db.batch<LinkedRow>([
    ensureRepository(db, repository, by.name),
    db
      .prepare(
        `INSERT INTO blobs (digest, object_key, size, used_at)
         SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM doomed_objects WHERE object_key = ?2)
         ON CONFLICT (digest) DO UPDATE SET used_at = excluded.used_at RETURNING object_key, missing_at`,
      )
      .bind(object.digest, object.key, object.size, now),
    db
      .prepare(
        `INSERT INTO repository_blobs (repository_id, blob_id, used_at)
         SELECT repositories.id, blobs.id, ?3 FROM repositories JOIN blobs ON digest = ?2
         WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM doomed_objects WHERE object_key = ?4)
         ON CONFLICT DO UPDATE SET used_at = excluded.used_at`,
      )
      .bind(repository, object.digest, now, object.key),
    db.prepare(`DELETE FROM pending_objects WHERE object_key = ?1`).bind(object.key),
    noteBlobPush(db, by, repository, object, now),
    ...(object.upload ? [closeUpload(db, object.upload)] : []),
  ]);
  return blob?.[0] ?? null;
}

/**
 * Puts a verified object in the place of one that is missing or broken, if the row still names that one. The old
 * key is doomed, should anything lie there after all.
 */
export async function replaceObject(db: Database, object: StoredObject, old: string): Promise<void> {
  await db.batch(replacement(db, object, old, Date.now()));
}

function replacement(
  db: Database,
  { key, digest, size }: StoredObject,
  old: string,
  now: number,
): Statement[] {
  return [
    db
      .prepare(
        `UPDATE blobs SET object_key = ?1, size = ?2, missing_at = NULL
         WHERE digest = ?3 AND object_key = ?4
           AND NOT EXISTS (SELECT 1 FROM doomed_objects WHERE object_key = ?1)
           AND NOT EXISTS (SELECT 1 FROM blobs AS other WHERE other.object_key = ?1)`,
      )
      .bind(key, size, digest, old),
    // Only when the row has let go of it; quarantined bytes are kept.
    db
      .prepare(
        `INSERT INTO doomed_objects (object_key, bytes, doomed_at) SELECT ?1, 0, ?2
         WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE object_key = ?1)
           AND NOT EXISTS (SELECT 1 FROM quarantined_objects WHERE object_key = ?1)
         ON CONFLICT DO NOTHING`,
      )
      .bind(old, now),
  ];
}

/**
 * Registers an object that is about to be made and has no row yet, so that the orphan walk leaves it alone for as
 * long as an upload may take. The commit takes it off the list.
 */
export async function registerPending(db: Database, key: string, now: number): Promise<void> {
  await db
    .prepare(
      `INSERT INTO pending_objects (object_key, registered_at) VALUES (?1, ?2) ON CONFLICT (object_key) DO UPDATE SET registered_at = excluded.registered_at`,
    )
    .bind(key, now)
    .all();
}

/** Dooms an object, unless it has become a blob. For a commit whose outcome is not known. */
export async function doomUncommitted(db: Database, key: string, bytes: number, now: number): Promise<void> {
  await db
    .prepare(
      `INSERT INTO doomed_objects (object_key, bytes, doomed_at)
       SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE object_key = ?1) ON CONFLICT DO NOTHING`,
    )
    .bind(key, bytes, now)
    .all();
}

/**
 * Takes away the object of what was refused. It is doomed first, as a try of its commit may still be on its way; one
 * that went through with its answer lost has made a row that names it, and then it stays.
 */
export async function dropRefused({ db, objects }: Stores, key: string, bytes: number): Promise<void> {
  // No database of an older day names it, so the next collection takes what cannot be deleted now.
  const doomed = await db
    .prepare(
      `INSERT INTO doomed_objects (object_key, bytes, doomed_at)
       SELECT ?1, ?2, 0 WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE object_key = ?1)
         AND NOT EXISTS (SELECT 1 FROM manifests WHERE object_key = ?1)
       ON CONFLICT (object_key) DO UPDATE SET doomed_at = excluded.doomed_at RETURNING 1`,
    )
    .bind(key, bytes)
    .first();
  if (doomed !== null) await dropObject(objects, key);
}

/** Deletes an object that no row names. What cannot be deleted now is left to the orphan walk. */
export async function dropObject(objects: Objects, key: string): Promise<void> {
  try {
    await objects.delete([key]);
  } catch (error) {
    log("object-left-behind", { key, error }, "warn");
  }
}
