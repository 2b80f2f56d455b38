/** Reads an object back and hashes it, whatever its size, in ranges that are asked for again when they break. */

import { createHash } from "node:crypto";
import { type Algorithm, type Digest, snapshot } from "../../oci/digest.ts";
import { Unavailable } from "../retry.ts";
import type { Objects } from "./objects.ts";

/** One stream of many gigabytes would break before its end, and begin again for ever. Bytes. */
const RANGE = 64 * 1024 * 1024;

/** How often in a row a range may break without a byte of progress. */
const MAX_BREAKS = 4;

const BUFFER = 1024 * 1024;

/**
 * Calls `take` with all bytes of an object, in order. They are valid during the call only.
 * @param size of the object, in bytes
 * @returns false when there is no object
 * @throws Unavailable when the store breaks off too often
 */
export async function readObject(
  objects: Objects,
  key: string,
  size: number,
  take: (bytes: Uint8Array) => void | Promise<void>,
): Promise<boolean> {
  let breaks = 0;
  for (let offset = 0; offset < size; ) {
    const before = offset;
    let cause: unknown;
    const body = await objects.get(key, { offset, length: Math.min(RANGE, size - offset) });
    if (body === null) return false;
    try {
      for await (const bytes of piecesOf(body)) {
        await take(bytes);
        offset += bytes.byteLength;
      }
      cause = "the body ended early";
    } catch (error) {
      cause = error;
    }
    breaks = offset > before ? 0 : breaks + 1;
    if (breaks === MAX_BREAKS) throw new Unavailable("the object store", cause);
  }
  return size > 0 || (await objects.head(key)) !== null;
}

/** The digests of an object in each of `algorithms`; null when there is none. @throws as {@link readObject} */
export async function hashObject<A extends Algorithm>(
  objects: Objects,
  key: string,
  size: number,
  algorithms: readonly A[],
): Promise<Record<A, Digest> | null> {
  const hashes = algorithms.map((algorithm) => ({ algorithm, hash: createHash(algorithm) }));
  const found = await readObject(objects, key, size, (bytes) => {
    for (const { hash } of hashes) hash.update(bytes);
  });
  if (!found) return null;
  const digests = hashes.map(({ algorithm, hash }) => [algorithm, snapshot(hash, algorithm)] as const);
  return Object.fromEntries(digests) as Record<A, Digest>;
}

/** Pieces of a stream in one buffer that is used again: the default reader's are 4 KiB. */
async function* piecesOf(body: ReadableStream): AsyncGenerator<Uint8Array> {
  const reader = body.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(BUFFER);
  try {
    for (;;) {
      const { done, value } = await reader.readAtLeast(BUFFER, new Uint8Array(buffer));
      if (value !== undefined && value.byteLength > 0) yield value;
      if (done || value === undefined) return;
      buffer = value.buffer as ArrayBuffer;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
