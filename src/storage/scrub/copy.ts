/** A second object of the same bytes, verified on the way: for a row that cannot have the first. */

import { createHash } from "node:crypto";
import { algorithmOf, type Digest, snapshot } from "../../oci/digest.ts";
import { dropObject, registerPending } from "../blob-push.ts";
import { readObject } from "../objects/hash.ts";
import { newObjectKey } from "../objects/keys.ts";
import type { Multipart, Objects, Part, Source } from "../objects/objects.ts";
import { Unavailable } from "../retry.ts";
import type { Stores } from "../stores.ts";

/** Of what is too large for one put: 10,000 of them are 312 GiB. Bytes. */
const PART = 32 * 1024 * 1024;

/**
 * Copies an object. No row names the copy yet.
 * @param size of the object, in bytes
 * @returns the new key; null when the object has gone meanwhile, or does not hash to `digest`
 * @throws Unavailable
 */
export async function copyObject(
  stores: Stores,
  from: string,
  kind: "blobs" | "manifests",
  size: number,
  digest: Digest,
): Promise<string | null> {
  const { objects } = stores;
  const key = newObjectKey(kind);
  if (size > objects.can.maxPut) return copyInParts(stores, from, key, size, digest);
  const outcome = await objects.putVerified(key, sourceOf(objects, from, size), size, digest);
  if (outcome === "stored") return key;
  if (outcome === "mismatch") return null;
  // The copy may be there, with the answer lost.
  await dropObject(objects, key);
  if ((await objects.head(from)) === null) return null;
  throw new Unavailable("the object store", new Error(`the copy of ${from} broke off`));
}

/** An object as a body that survives what breaks it off. */
function sourceOf(objects: Objects, key: string, size: number): Source {
  return {
    async pipeTo(writable, { signal }) {
      const writer = writable.getWriter();
      // Told by what is thrown below.
      writer.closed.catch(() => {});
      signal.addEventListener("abort", () => {
        writer.abort(signal.reason).catch(() => {});
      });
      try {
        // What is read is valid during the call only, and who reads the other end may take its time.
        const found = await readObject(objects, key, size, (bytes) => writer.write(bytes.slice()));
        if (!found) throw new Error(`${key} has gone`);
        await writer.close();
      } catch (error) {
        await writer.abort(error).catch(() => {});
        throw error;
      }
    },
  };
}

async function copyInParts(
  { db, objects }: Stores,
  from: string,
  key: string,
  size: number,
  digest: Digest,
): Promise<string | null> {
  const multipart = await objects.beginMultipart(key);
  let complete = false;
  try {
    const parts = await putParts(objects, multipart, from, size, digest);
    if (parts === null) return null;
    // The store may date it by its beginning, and the orphan walk goes by age.
    await registerPending(db, key, Date.now());
    complete = await objects.completeMultipart(multipart, parts);
    if (complete) return key;
    throw new Unavailable("the object store", new Error(`the copy of ${from} was dropped`));
  } finally {
    if (!complete) await objects.abortMultipart(multipart);
  }
}

/** Null when the object has gone, or does not hash to `digest`. */
async function putParts(
  objects: Objects,
  multipart: Multipart,
  from: string,
  size: number,
  digest: Digest,
): Promise<Part[] | null> {
  const parts: Part[] = [];
  const algorithm = algorithmOf(digest);
  const hash = createHash(algorithm);
  const buffer = new Uint8Array(PART);
  let filled = 0;
  async function flush(): Promise<void> {
    const part = await objects.putPart(multipart, parts.length + 1, buffer.subarray(0, filled));
    if (part === null) throw new Unavailable("the object store", new Error("a multipart upload was dropped"));
    parts.push(part);
    filled = 0;
  }
  const found = await readObject(objects, from, size, async (bytes) => {
    hash.update(bytes);
    for (let start = 0; start < bytes.byteLength; ) {
      const piece = bytes.subarray(start, start + PART - filled);
      buffer.set(piece, filled);
      filled += piece.byteLength;
      start += piece.byteLength;
      if (filled === PART) await flush();
    }
  });
  if (!found || snapshot(hash, algorithm) !== digest) return null;
  if (filled > 0) await flush();
  return parts;
}
