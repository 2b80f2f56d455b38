/** Manifests: their exact bytes, and in rows what they name. */

import { log } from "../log.ts";
import type { Digest } from "../oci/digest.ts";
import { isDigestReference, type Reference, type RepositoryName } from "../oci/reference.ts";
import type { Reliance } from "./blobs.ts";
import { needsRefresh } from "./blobs.ts";
import type { Database } from "./database.ts";
import { noteMissing } from "./missing.ts";
import type { Stores } from "./stores.ts";

export interface ManifestInfo {
  digest: Digest;
  mediaType: string;
  /** Bytes. */
  size: number;
  /** When it was last pulled, to the day: see pulls.ts. Milliseconds since the epoch; null where that is not known. */
  pulledAt: number | null;
}

interface InfoRow {
  digest: Digest;
  media_type: string;
  size: number;
  pulled_at: number | null;
}

function infoOf({ digest, media_type: mediaType, size, pulled_at: pulledAt }: InfoRow): ManifestInfo {
  return { digest, mediaType, size, pulledAt };
}

interface ContentRow extends InfoRow {
  /** The bytes as text; null when they are in R2. */
  content: string | null;
  /** R2 key of the bytes; null when they are in `content`. */
  object_key: string | null;
}

interface HeadRow extends InfoRow {
  /** When a push last relied on it. Milliseconds since the epoch. */
  used_at: number;
}

/** What a manifest is, without its bytes; null when the repository does not hold it, or its object is missing. */
export async function headManifest(
  db: Database,
  repository: RepositoryName,
  reference: Reference,
  reliance: Reliance,
): Promise<ManifestInfo | null> {
  const row = await findHead(db, repository, reference);
  if (row === null) return null;
  const info = infoOf(row);
  if (!needsRefresh(row.used_at, reliance)) return info;
  // It may have been collected since it was read.
  const refreshed = await db
    .prepare(
      `UPDATE manifests SET used_at = ?3
       WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2 RETURNING 1`,
    )
    .bind(repository, row.digest, reliance.now)
    .first();
  return refreshed === null ? null : info;
}

function findHead(db: Database, repository: RepositoryName, reference: Reference): Promise<HeadRow | null> {
  const statement = isDigestReference(reference)
    ? db.prepare(
        `SELECT digest, media_type, size, pulled_at, used_at FROM manifests
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2
           AND missing_at IS NULL`,
      )
    : db.prepare(
        `SELECT digest, media_type, size, pulled_at, used_at FROM tags JOIN manifests ON manifests.id = manifest_id
         WHERE tags.repository_id = (SELECT id FROM repositories WHERE name = ?1) AND tags.name = ?2
           AND missing_at IS NULL`,
      );
  return statement.bind(repository, reference).first<HeadRow>();
}

/**
 * A manifest with its exact bytes; null when the repository does not hold it, or its object is missing.
 * @param nearby whether a replica may say what a digest is, which never changes. Of a tag it might tell the past.
 */
export async function getManifest(
  { db, objects }: Stores,
  repository: RepositoryName,
  reference: Reference,
  nearby: boolean,
): Promise<(ManifestInfo & { content: string | ReadableStream }) | null> {
  let missing: string | null = null;
  let near = nearby && isDigestReference(reference) ? await findNearby(db, repository, reference) : null;
  for (;;) {
    const row = near ?? (await findManifest(db, repository, reference));
    // What is missing, or has gone, is for the primary to say.
    near = null;
    if (row === null) return null;
    const info = infoOf(row);
    if (row.object_key === null) return { ...info, content: row.content ?? "" };
    // A second look at the same key: no deletion came between, the object is gone from under its row.
    if (row.object_key === missing) {
      await noteMissing(db, { kind: "manifest", digest: row.digest, key: missing });
      return null;
    }
    const body = await objects.get(row.object_key, null);
    if (body !== null) return { ...info, content: body };
    missing = row.object_key;
  }
}

/** Null, too, when the replica is away, or has not heard of a migration: the primary is asked then. */
async function findNearby(
  db: Database,
  repository: RepositoryName,
  reference: Reference,
): Promise<ContentRow | null> {
  try {
    return await findManifest(db.nearby(), repository, reference);
  } catch (error) {
    log("replica-failed", { error }, "warn");
    return null;
  }
}

async function findManifest(
  db: Database,
  repository: RepositoryName,
  reference: Reference,
): Promise<ContentRow | null> {
  const statement = isDigestReference(reference)
    ? db.prepare(
        `SELECT digest, media_type, size, pulled_at, content, object_key FROM manifests
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2
           AND missing_at IS NULL`,
      )
    : db.prepare(
        `SELECT digest, media_type, size, pulled_at, content, object_key FROM tags JOIN manifests ON manifests.id = manifest_id
         WHERE tags.repository_id = (SELECT id FROM repositories WHERE name = ?1) AND tags.name = ?2
           AND missing_at IS NULL`,
      );
  return statement.bind(repository, reference).first<ContentRow>();
}
