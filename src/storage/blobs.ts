/** Blobs: the D1 rows that say which object holds a digest, and which repositories may see it. */

import type { Digest } from "../oci/digest.ts";
import type { ByteRange } from "../oci/range.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { type Actor, noteUnlinking } from "./audit.ts";
import type { Database } from "./database.ts";
import { noteMissing } from "./missing.ts";
import { readThroughEdge } from "./objects/edge.ts";
import { areaOf, type Stores } from "./stores.ts";

interface BlobRow {
  /** Key of the bytes. */
  object_key: string;
  /** Bytes. */
  size: number;
  /** When a push last relied on the link. Milliseconds since the epoch. */
  used_at: number;
}

/** Whose question it is, and when: a push may rely on the answer for the grace period, a pull need not. */
export interface Reliance {
  /** Milliseconds since the epoch. */
  now: number;
  /** How long the answer is relied on. Null for a caller who may not push: nothing is refreshed. Milliseconds. */
  gracePeriod: number | null;
}

/** Whether a row must be marked as used now: not if that was done within the grace period's first quarter. */
export function needsRefresh(usedAt: number, { now, gracePeriod }: Reliance): boolean {
  return gracePeriod !== null && usedAt < now - gracePeriod / 4;
}

/** The size in bytes of a blob that is linked in a repository; null when it is not, or its object is missing. */
export async function headBlob(
  db: Database,
  repository: RepositoryName,
  digest: Digest,
  reliance: Reliance,
): Promise<number | null> {
  const row = await findBlob(db, repository, digest);
  if (row === null) return null;
  if (!needsRefresh(row.used_at, reliance)) return row.size;
  // The link may have been collected since it was read: then the client must upload.
  const refreshed = await db
    .prepare(
      `UPDATE repository_blobs SET used_at = ?3
       WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1)
         AND blob_id = (SELECT id FROM blobs WHERE digest = ?2) RETURNING 1`,
    )
    .bind(repository, digest, reliance.now)
    .first();
  return refreshed === null ? null : row.size;
}

export interface BlobContent {
  kind: "content";
  /** Bytes of the whole blob. */
  size: number;
  /** What of it `body` holds; null for the whole. */
  range: ByteRange | null;
  body: ReadableStream;
}

/** Where a blob is read from, if not from the store itself. */
export interface BlobSources {
  /** StoredObjects, behind Cloudflare's cache; null to do without. */
  edge: Fetcher | null;
  /** The client is sent to the store for a blob of so many bytes and more; null to send none. */
  redirectFrom: number | null;
}

/**
 * The bytes of a blob that is linked in a repository, or a link to them; null when it is not, or its object is missing.
 * @param select called with the blob's size, says which part is wanted: null for the whole
 * @throws what `select` throws
 */
export async function getBlob(
  { name, db, objects }: Stores,
  { edge, redirectFrom }: BlobSources,
  repository: RepositoryName,
  digest: Digest,
  select: (size: number) => ByteRange | null,
): Promise<BlobContent | { kind: "elsewhere"; url: string } | null> {
  let missing: string | null = null;
  for (;;) {
    const row = await findBlob(db, repository, digest);
    if (row === null) return null;
    // A second look at the same key: no collection came between, the object is gone from under its row.
    if (row.object_key === missing) {
      await noteMissing(db, { kind: "blob", digest, key: missing });
      return null;
    }
    const range = select(row.size);
    const object = { key: row.object_key, size: row.size };
    const links = redirectFrom !== null && object.size >= redirectFrom ? objects.links : null;
    // The bucket would tell the client alone that the object is gone, and nobody would push it again.
    const url =
      links !== null && (await objects.head(object.key)) !== null ? await links.to(object.key) : null;
    if (url !== null) return { kind: "elsewhere", url };
    const body =
      (edge && (await readThroughEdge(edge, { key: areaOf(name) + object.key, size: object.size }, range))) ??
      (await objects.get(object.key, range));
    if (body !== null) return { kind: "content", size: row.size, range, body };
    missing = row.object_key;
  }
}

async function findBlob(db: Database, repository: RepositoryName, digest: Digest): Promise<BlobRow | null> {
  return db
    .prepare(
      `SELECT blobs.object_key, blobs.size, link.used_at
       FROM blobs JOIN repository_blobs AS link ON link.blob_id = blobs.id
       WHERE link.repository_id = (SELECT id FROM repositories WHERE name = ?1) AND blobs.digest = ?2
         AND blobs.missing_at IS NULL`,
    )
    .bind(repository, digest)
    .first<BlobRow>();
}

/**
 * Takes a blob out of a repository. Its bytes go when no repository has it and the grace period is over.
 * @returns the digest of a manifest that names the blob when one does, and then the blob stays
 */
export async function unlinkBlob(
  db: Database,
  repository: RepositoryName,
  digest: Digest,
  by: Actor,
): Promise<"unlinked" | "unknown" | { namedBy: Digest }> {
  const { results, repeated } = await db.change([
    noteUnlinking(db, by, repository, digest, Date.now()),
    db
      .prepare(
        `DELETE FROM repository_blobs
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1)
           AND blob_id = (SELECT id FROM blobs WHERE digest = ?2)
           AND NOT EXISTS (SELECT 1 FROM manifest_blobs AS reference
                           WHERE reference.repository_id = repository_blobs.repository_id
                             AND reference.blob_id = repository_blobs.blob_id)
         RETURNING 1`,
      )
      .bind(repository, digest),
  ]);
  if (results.at(-1)?.length === 1) return "unlinked";
  const naming = await db
    .prepare(
      `SELECT manifests.digest FROM manifest_blobs AS reference JOIN manifests ON manifests.id = manifest_id
       WHERE reference.repository_id = (SELECT id FROM repositories WHERE name = ?1)
         AND reference.blob_id = (SELECT id FROM blobs WHERE digest = ?2) LIMIT 1`,
    )
    .bind(repository, digest)
    .first<{ digest: Digest }>();
  if (naming !== null) return { namedBy: naming.digest };
  return repeated ? "unlinked" : "unknown";
}
