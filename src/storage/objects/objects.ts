/**
 * What the registry asks of an object store. Keys are random and never used twice (keys.ts), so every call but
 * `putVerified` can be repeated; the implementation does that by itself when a passing fault comes.
 */

import type { Algorithm, Digest } from "../../oci/digest.ts";
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

export interface Page {
  objects: ObjectInfo[];
  /** Where the next page begins, as only the store understands it; it begins with the prefix. Null behind the last. */
  next: string | null;
}

/** What a store can do, stated and not guessed. */
export interface Capabilities {
  /** The algorithms whose digests it verifies itself, before there is an object; others are hashed on the way to it. */
  verifies: readonly Algorithm[];
  /** The largest object that one call can put. Bytes. */
  maxPut: number;
  /** How many parts a multipart upload has at most. */
  maxParts: number;
  /** All parts but the last have at least so many bytes … */
  smallestPart: number;
  /** … and none has more. */
  largestPart: number;
  /** Whether all parts but the last must have the same size. */
  equalParts: boolean;
}

/** Links that read one object without the registry, whole or by ranges, for a quarter of an hour. */
export interface Links {
  /** Whom those who follow one ask: a host without its port. */
  readonly host: string;
  /** Null for an object that has none for now. */
  to(key: string): Promise<string | null>;
}

/**
 * All methods throw Unavailable when the store cannot be reached, or refuses the registry altogether. No call needs a
 * conditional put, as no key is used twice.
 */
export interface Objects {
  readonly can: Capabilities;

  /** Null where no secret is there to sign them with. */
  readonly links: Links | null;

  /**
   * Stores a body of `length` bytes under a new `key` if it hashes to `digest`. After a "mismatch" there is no object.
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

  /**
   * A page of the objects whose keys begin with `prefix`, in the order of their keys; it may be shorter than `limit`,
   * and even empty, with others behind it.
   * @param from what a page before named as `next`; null begins at the first
   */
  list(prefix: string, from: string | null, limit: number): Promise<Page>;

  beginMultipart(key: string): Promise<Multipart>;

  /** @returns null when the store has dropped the upload, and says so by now: not all do before its end */
  putPart(multipart: Multipart, number: number, bytes: Uint8Array): Promise<Part | null>;

  /** Makes the object of its parts. Can be repeated. @returns false when the store has dropped the upload */
  completeMultipart(multipart: Multipart, parts: Part[]): Promise<boolean>;

  /** One that is complete, or gone, is no error. */
  abortMultipart(multipart: Multipart): Promise<void>;
}
