/** The keys of the registry's objects. What lies beside them in the bucket is not the registry's. */

/** Where objects lie that rows name. */
export const PREFIXES = ["blobs/", "manifests/"] as const;

/** Says which registry the bucket belongs to. */
export const IDENTITY_KEY = "registry/identity";

/** A key that no object has, or ever had. */
export function newObjectKey(kind: "blobs" | "manifests"): string {
  return `${kind}/${crypto.randomUUID()}`;
}
