/** A second object of the same bytes, verified on the way: for a row, or a database, that cannot have the first. */

import type { Digest } from "../../oci/digest.ts";
import { dropObject, registerPending } from "../blob-push.ts";
import { copyVerified } from "../objects/copy.ts";
import { newObjectKey } from "../objects/keys.ts";
import type { Objects } from "../objects/objects.ts";
import type { Stores } from "../stores.ts";

/**
 * Copies an object into the stores of a database. No row names the copy yet.
 * @param size of the object, in bytes
 * @returns the new key; null when the object has gone meanwhile, or does not hash to `digest`
 * @throws Unavailable
 */
export async function copyObject(
  from: { objects: Objects; key: string },
  { db, objects }: Stores,
  kind: "blobs" | "manifests",
  size: number,
  digest: Digest,
): Promise<string | null> {
  const key = newObjectKey(kind);
  // The orphan walk goes by age.
  const beforeItIs = () => registerPending(db, key, Date.now());
  const copy = { from, to: { objects, key }, size, digest, beforeItIs };
  let copied = false;
  try {
    copied = await copyVerified(copy);
  } finally {
    // It may be there, with the answer lost.
    if (!copied) await dropObject(objects, key);
  }
  return copied ? key : null;
}
