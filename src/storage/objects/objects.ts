/**
 * What the registry asks of an object store. Keys are random and never used twice (keys.ts), so every call but
 * `putVerified` can be repeated; the implementation does that by itself when a passing fault comes.
 */

import type { Digest } from "../../oci/digest.ts";
import type { ByteRange } from "../../oci/range.ts";

/** A request body, or what reads one. */
export interface Source {
  pipeTo(
    writable: WritableStream<Uint8Array>,
    options: { signal: AbortSignal; preventCancel: boolean },
  ): Promise<void>;
}

export interface ObjectInfo {
  key: string;
  /** Bytes. */
  size: number;
  /** When it was made. Of a multipart upload that may be its beginning. Milliseconds since the epoch. */
  createdAt: number;
}

/** A multipart upload under way. */
export interface Multipart {
  key: string;
  /** The store's name for it. */
  id: string;
}

export interface Part {
  /** Counts from 1. */
  number: number;
  etag: string;
}

/** All methods throw Unavailable when the store cannot be reached. */
export interface Objects {
  /** The largest object that one call can put. Bytes. */
  readonly maxPut: number;
  /** How many parts a multipart upload has at most. All are equal but the last. */
  readonly maxParts: number;

  /**
   * Stores a body of `length` bytes under a new `key`, while the store verifies that it hashes to `digest`. After a
   * "mismatch" there is no object.
   * @returns "interrupted" when the body broke off, or the store's answer: there may be an object, to delete
   */
  putVerified(
    key: string,
    body: Source,
    length: number,
    digest: Digest,
  ): Promise<"stored" | "mismatch" | "interrupted">;

  put(key: string, bytes: Uint8Array | string): Promise<void>;

  /** The bytes, or a range of them; null when there is no object. */
  get(key: string, range: ByteRange | null): Promise<ReadableStream | null>;

  /** Null when there is no object. */
  head(key: string): Promise<ObjectInfo | null>;

  /** Any number of keys. One that is gone is no error. */
  delete(keys: readonly string[]): Promise<void>;

  /** Objects whose keys begin with `prefix`, in the order of their keys. @param after exclusive; null begins at the first */
  list(
    prefix: string,
    after: string | null,
    limit: number,
  ): Promise<{ objects: ObjectInfo[]; more: boolean }>;

  beginMultipart(key: string): Promise<Multipart>;

  /** @returns null when the store has dropped the upload */
  putPart(multipart: Multipart, number: number, bytes: Uint8Array): Promise<Part | null>;

  /** Makes the object of its parts. Can be repeated. @returns false when the store has dropped the upload */
  completeMultipart(multipart: Multipart, parts: Part[]): Promise<boolean>;

  /** One that is complete, or gone, is no error. */
  abortMultipart(multipart: Multipart): Promise<void>;
}
