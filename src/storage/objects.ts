/** R2 objects: blob bytes and large manifests, under random keys that are never used twice. */

import { algorithmOf, type Digest, hexOf } from "../oci/digest.ts";

/** R2's own limit for one `put` is just under 5 GiB; anything above this goes through a multipart upload. */
export const MAX_PUT_SIZE = 4 * 1024 ** 3;

/** A key that no object has, or ever had. */
export function newObjectKey(kind: "blobs" | "manifests"): string {
  return `${kind}/${crypto.randomUUID()}`;
}

/** A request body, or what reads one. */
export interface Source {
  pipeTo(writable: WritableStream<Uint8Array>, options: { signal: AbortSignal }): Promise<void>;
}

/**
 * Stores a body of `length` bytes under a new `key`, while R2 verifies that it hashes to `digest`. After a
 * "mismatch" there is no object.
 * @returns "interrupted" when the body broke off, or R2 could not be reached: there may be an object, to delete
 * @throws when R2 refuses for another reason
 */
export async function putVerified(
  bucket: R2Bucket,
  key: string,
  body: Source,
  length: number,
  digest: Digest,
): Promise<"stored" | "mismatch" | "interrupted"> {
  // R2 demands a known length, which a body that came through RPC has lost.
  const { readable, writable } = new FixedLengthStream(length);
  const refused = new AbortController();
  const [sent, stored] = await Promise.allSettled([
    body.pipeTo(writable, { signal: refused.signal }),
    bucket.put(key, readable, { [algorithmOf(digest)]: hexOf(digest) }).catch((error) => {
      // R2 may refuse before it has read everything: then nobody would read the rest.
      refused.abort(error);
      throw error;
    }),
  ]);
  if (stored.status === "fulfilled") return "stored";
  const code = r2ErrorCode(stored.reason);
  if (code === BAD_DIGEST) return "mismatch";
  if (code === null && sent.status === "rejected") return "interrupted";
  throw stored.reason;
}

const BAD_DIGEST = 10037;

/** R2 puts its error's number in brackets at the end of the message. Null when the error is not R2's. */
function r2ErrorCode(error: unknown): number | null {
  const match = /\((\d{5})\)\s*$/.exec(String(error));
  return match === null ? null : Number(match[1]);
}
