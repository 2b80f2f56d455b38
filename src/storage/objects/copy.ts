/** Copies an object, verified on the way, also from one store to another. */

import { createHash } from "node:crypto";
import { algorithmOf, type Digest, snapshot } from "../../oci/digest.ts";
import { Unavailable } from "../retry.ts";
import { readObject } from "./hash.ts";
import type { Multipart, Objects, Part, Source } from "./objects.ts";

/** Of what is too large for one put: 10,000 of them are 312 GiB. Bytes. */
const PART = 32 * 1024 * 1024;

interface Place {
  objects: Objects;
  key: string;
}

export interface Copy {
  from: Place;
  to: Place;
  /** Bytes. */
  size: number;
  digest: Digest;
  /** Called before a copy in parts becomes an object, which the store may date by its beginning. */
  beforeItIs?: () => Promise<void>;
}

/**
 * Copies an object.
 * @returns false when the object has gone meanwhile, or does not hash to its digest
 * @throws Unavailable: there may be a copy, with the answer lost; a right one
 */
export async function copyVerified(copy: Copy): Promise<boolean> {
  const { from, to, size, digest } = copy;
  if (size > to.objects.can.maxPut) return copyInParts(copy);
  const outcome = await to.objects.putVerified(to.key, sourceOf(from, size), size, digest);
  if (outcome === "stored") return true;
  if (outcome === "mismatch") return false;
  if ((await from.objects.head(from.key)) === null) return false;
  throw new Unavailable("the object store", new Error(`the copy of ${from.key} broke off`));
}

/** An object as a body that survives what breaks it off. */
function sourceOf({ objects, key }: Place, size: number): Source {
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

async function copyInParts({ from, to, size, digest, beforeItIs }: Copy): Promise<boolean> {
  const multipart = await to.objects.beginMultipart(to.key);
  let complete = false;
  try {
    const parts = await putParts(from, to.objects, multipart, size, digest);
    if (parts === null) return false;
    await beforeItIs?.();
    complete = await to.objects.completeMultipart(multipart, parts);
    if (complete) return true;
    throw new Unavailable("the object store", new Error(`the copy of ${from.key} was dropped`));
  } finally {
    if (!complete) await to.objects.abortMultipart(multipart);
  }
}

/** Null when the object has gone, or does not hash to `digest`. */
async function putParts(
  from: Place,
  objects: Objects,
  multipart: Multipart,
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
  const found = await readObject(from.objects, from.key, size, async (bytes) => {
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
