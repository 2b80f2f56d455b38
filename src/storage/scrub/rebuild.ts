/** Rows that are marked as missing get the bytes that they lack from an object that no row names. */

import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName } from "../../oci/reference.ts";
import { dropObject, replaceObject } from "../blob-push.ts";
import { replaceManifestObject } from "../manifest-object.ts";
import type { Stores } from "../stores.ts";
import { copyObject } from "./copy.ts";
import type { Finding } from "./findings.ts";

/** An object that no row names. */
export interface Unnamed {
  key: string;
  /** Bytes. */
  size: number;
  /** Whether a row may name it as it is: see objects.ts. */
  free: boolean;
}

/** Rows that one object heals at once: repositories that hold the same manifest. The next scrub goes on. */
const MAX_ROWS = 20;

interface BlobRow {
  digest: Digest;
  /** Of the object that is missing, or wrong. */
  object_key: string;
}

/** @param digests of the object, in each algorithm that was asked for: every one may be a blob of its own */
export async function rebuildBlobs(
  stores: Stores,
  { key, size, free }: Unnamed,
  digests: Digest[],
): Promise<Finding[]> {
  const rows = await stores.db
    .prepare(
      `SELECT digest, object_key FROM blobs
       WHERE digest IN (SELECT value FROM json_each(?1)) AND missing_at IS NOT NULL ORDER BY digest`,
    )
    .bind(JSON.stringify(digests))
    .all<BlobRow>();
  const findings: Finding[] = [];
  for (const [index, { digest, object_key: old }] of rows.entries()) {
    const own = free && index === 0;
    const found = own
      ? key
      : await copyObject({ objects: stores.objects, key }, stores, "blobs", size, digest);
    if (found === null) break;
    const taken = await giveToBlob(stores, { key: found, digest, size }, old);
    if (taken) findings.push(healed("blob", digest, `its bytes were in ${key}`));
    else if (!own) await dropObject(stores.objects, found);
  }
  return findings;
}

/** @returns false when a push was faster, or a collection */
async function giveToBlob(
  { db }: Stores,
  object: { key: string; digest: Digest; size: number },
  old: string,
): Promise<boolean> {
  await replaceObject(db, object, old);
  // Not what the statement says: after a lost answer its repetition finds nothing to do.
  const row = await db
    .prepare(`SELECT digest, object_key FROM blobs WHERE digest = ?1`)
    .bind(object.digest)
    .first<BlobRow>();
  return row?.object_key === object.key;
}

interface ManifestRow {
  id: number;
  repository: RepositoryName;
  digest: Digest;
  object_key: string;
}

/** Always by copies: a manifest is small, and every repository that holds it has an object of its own. */
export async function rebuildManifests(
  stores: Stores,
  { key, size }: Unnamed,
  digests: Digest[],
): Promise<Finding[]> {
  const rows = await stores.db
    .prepare(
      `SELECT manifests.id, repositories.name AS repository, digest, object_key
       FROM manifests JOIN repositories ON repositories.id = manifests.repository_id
       WHERE digest IN (SELECT value FROM json_each(?1)) AND missing_at IS NOT NULL AND object_key IS NOT NULL
       LIMIT ?2`,
    )
    .bind(JSON.stringify(digests), MAX_ROWS)
    .all<ManifestRow>();
  const findings: Finding[] = [];
  for (const { id, repository, digest, object_key: old } of rows) {
    const copy = await copyObject({ objects: stores.objects, key }, stores, "manifests", size, digest);
    if (copy === null) break;
    const taken = await replaceManifestObject(stores.db, id, old, copy);
    if (taken) findings.push(healed("manifest", digest, `in ${repository}: its bytes were in ${key}`));
    else await dropObject(stores.objects, copy);
  }
  return findings;
}

function healed(kind: "blob" | "manifest", digest: Digest, detail: string): Finding {
  return { outcome: "healed", kind, digest, detail };
}
