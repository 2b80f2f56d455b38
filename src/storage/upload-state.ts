/** What an upload session keeps in its Durable Object: all that must survive a crash, and nothing else. */

import type { Algorithm, Digest } from "../oci/digest.ts";
import type { RepositoryName } from "../oci/reference.ts";

/** R2 wants parts of at least 5 MiB, all equal but the last. A request holds two in memory. Bytes. */
export const PART_SIZE = 8 * 1024 * 1024;

/** A stored value may have 2,000,000 bytes. Bytes. */
const TAIL_ROW_SIZE = 1024 * 1024;

export interface NewUpload {
  repository: RepositoryName;
  /** What the running hash computes. */
  algorithm: Algorithm;
  /** Idle time after which the session is dropped. Milliseconds. */
  expiresAfter: number;
  /** Silence after which a request body gives way to the next request. Milliseconds. */
  stallTimeout: number;
}

export interface UploadState extends NewUpload {
  /** When it was last used. Milliseconds since the epoch. */
  usedAt: number;
  /** See the narrative in upload-session.ts. */
  phase: "open" | "putting" | "storing" | "committing" | "committed";
  /** Bytes 0 … offset-1 are kept: in recorded parts, then in the tail. */
  offset: number;
  /** Of the bytes up to `offset`; null when a crash took the running hash. */
  digest: Digest | null;
  /** Whether the client sends chunks; otherwise all bytes came by PUT, and a repeated PUT starts over. */
  chunked: boolean;
  /** The R2 key of this session's object, once there may be one. */
  objectKey: string | null;
  multipartId: string | null;
  /** Full parts that R2 has confirmed. */
  partCount: number;
  /** Whether the session is being dropped: nobody sees it any more. */
  discarding: boolean;
  /** What the session was closed with, once its bytes are known to hash to it. */
  closedAs: Digest | null;
}

export function newState(upload: NewUpload, now: number): UploadState {
  return {
    ...upload,
    usedAt: now,
    phase: "open",
    offset: 0,
    digest: null,
    chunked: false,
    objectKey: null,
    multipartId: null,
    partCount: 0,
    discarding: false,
    closedAs: null,
  };
}

/** Keys: `state`; `part/<number>` → etag; `tail/<row>` → bytes. Methods are synchronous: each is atomic. */
export class UploadStore {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Null for a session that was never created, or is gone. Writes nothing. */
  load(): UploadState | null {
    return this.#storage.kv.get<UploadState>("state") ?? null;
  }

  save(state: UploadState): void {
    this.#storage.kv.put("state", state);
  }

  /** A full part is in R2: its bytes leave the tail, and all up to its end is kept. */
  recordPart(state: UploadState, etag: string): void {
    this.#storage.transactionSync(() => {
      this.#deleteTail();
      state.partCount++;
      state.offset = state.partCount * PART_SIZE;
      state.digest = null;
      this.#storage.kv.put(partKey(state.partCount), etag);
      this.save(state);
    });
  }

  parts(state: UploadState): R2UploadedPart[] {
    return Array.from({ length: state.partCount }, (_, index) => ({
      partNumber: index + 1,
      etag: this.#storage.kv.get<string>(partKey(index + 1)) as string,
    }));
  }

  /** The bytes behind the last full part. */
  loadTail(state: UploadState): Uint8Array {
    const tail = new Uint8Array(tailLength(state));
    for (let start = 0; start < tail.byteLength; start += TAIL_ROW_SIZE) {
      tail.set(this.#storage.kv.get<Uint8Array>(tailKey(start / TAIL_ROW_SIZE)) as Uint8Array, start);
    }
    return tail;
  }

  /** Keeps a tail that has grown, and with it every byte received so far. Writes only the rows that changed. */
  saveTail(state: UploadState, tail: Uint8Array, digest: Digest | null): void {
    this.#storage.transactionSync(() => {
      const firstRow = Math.floor(tailLength(state) / TAIL_ROW_SIZE);
      for (let row = firstRow; row * TAIL_ROW_SIZE < tail.byteLength; row++) {
        // A copy: what is stored would else be the whole buffer behind the view.
        this.#storage.kv.put(tailKey(row), tail.slice(row * TAIL_ROW_SIZE, (row + 1) * TAIL_ROW_SIZE));
      }
      state.offset = state.partCount * PART_SIZE + tail.byteLength;
      state.digest = digest;
      this.save(state);
    });
  }

  /** Forgets the bytes, keeps the state. */
  dropBytes(state: UploadState): void {
    this.#storage.transactionSync(() => {
      this.#deleteTail();
      for (const [key] of [...this.#storage.kv.list({ prefix: "part/" })]) this.#storage.kv.delete(key);
      this.save(state);
    });
  }

  #deleteTail(): void {
    for (let row = 0; row * TAIL_ROW_SIZE < PART_SIZE; row++) this.#storage.kv.delete(tailKey(row));
  }
}

function tailLength(state: UploadState): number {
  return state.offset - state.partCount * PART_SIZE;
}

function partKey(number: number): string {
  return `part/${String(number).padStart(5, "0")}`;
}

function tailKey(row: number): string {
  return `tail/${row}`;
}
