/** The keys of the registry's objects. What lies beside them in the bucket is not the registry's. */

import { randomBytes } from "node:crypto";

/** Where objects lie that rows name. */
export const PREFIXES = ["blobs/", "manifests/"] as const;

/** Says which registry the bucket belongs to. */
export const IDENTITY_KEY = "registry/identity";

/** A key that no object has, or ever had. */
export function newObjectKey(kind: "blobs" | "manifests"): string {
  // 96 random bits in 16 characters, as every key stands in its row and in the index that finds it. Of a billion keys
  // two are the same with a chance of 1 in 150 billion.
  return `${kind}/${randomBytes(12).toString("base64url")}`;
}
