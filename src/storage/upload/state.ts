/**
 * What an upload session keeps in its Durable Object: all that must survive a crash, and nothing else. Every change
 * of it is a method here, written down before the step that it announces is taken (the drawing is in session.ts);
 * nobody else assigns a field.
 *
 * Keys: `state`; `part/<number>` → etag; `tail/<row>` → bytes. Methods are synchronous: each is atomic.
 */

import type { Digest } from "../../oci/digest.ts";
import type { Multipart, Part } from "../objects/objects.ts";
import type { NewUpload } from "./protocol.ts";

/** R2 wants parts of at least 5 MiB, all equal but the last. A request holds two in memory. Bytes. */
export const PART_SIZE = 8 * 1024 * 1024;

/** A stored value may have 2,000,000 bytes. Bytes. */
const TAIL_ROW_SIZE = 1024 * 1024;

/** How long a closed session remembers at least, for a repeated PUT. Milliseconds. */
const COMMITTED_MEMORY = 60 * 60 * 1000;

/** Share of its time by which a session may be dropped early: use so soon after the last goes unwritten. */
const TOUCH_PRECISION = 1 / 1000;

const partKey = (number: number) => `part/${String(number).padStart(5, "0")}`;
const tailKey = (row: number) => `tail/${row}`;

export interface UploadState extends NewUpload {
  /** When it was last used, as far as written down: every change is use. Milliseconds since the epoch. */
  usedAt: number;
  /** When it was last counted among the open ones. Milliseconds since the epoch. */
  countedAt: number;
  phase: "open" | "putting" | "storing" | "reopening" | "committing" | "committed";
  /** Bytes 0 … offset-1 are kept: in recorded parts, then in the tail. */
  offset: number;
  /** Of the bytes up to `offset`; null when a crash took the running hash. */
  digest: Digest | null;
  /** Whether the client sends chunks; otherwise all bytes came by PUT, and a repeated PUT starts over. */
  chunked: boolean;
  /** The key of this session's object, once there may be one. */
  objectKey: string | null;
  /** Whether that object is made of the tail, which has all bytes: for as long as it may not have been. */
  fromTail: boolean;
  multipartId: string | null;
  /** Full parts that the store has confirmed. */
  partCount: number;
  /** Whether the last bytes came by a PUT of unknown length: a cut connection can look like its end. */
  perhapsCut: boolean;
  /** A finished object whose bytes are being taken back into the session. */
  reopenedFrom: string | null;
  /** Whether the session is being dropped: nobody sees it any more. */
  discarding: boolean;
  /** What the session was closed with, once its bytes are known to hash to it. */
  closedAs: Digest | null;
}

/** How a session without bytes stands. */
const EMPTY = {
  phase: "open",
  offset: 0,
  digest: null,
  objectKey: null,
  fromTail: false,
  multipartId: null,
  partCount: 0,
  perhapsCut: false,
  reopenedFrom: null,
} as const satisfies Partial<UploadState>;

export class Upload {
  readonly #storage: DurableObjectStorage;
  #state: UploadState;
  /** Whether a change waits for the next one to be written down with it. */
  #waiting = false;

  private constructor(storage: DurableObjectStorage, state: UploadState) {
    this.#storage = storage;
    this.#state = state;
  }

  /** Null for a session that was never created, or is gone. Writes nothing. */
  static load(storage: DurableObjectStorage): Upload | null {
    const state = storage.kv.get<UploadState>("state");
    return state === undefined ? null : new Upload(storage, state);
  }

  static create(storage: DurableObjectStorage, upload: NewUpload): Upload {
    const now = Date.now();
    const begun = { usedAt: now, countedAt: now, chunked: false, discarding: false, closedAs: null };
    const created = new Upload(storage, { ...upload, ...EMPTY, ...begun });
    created.#save({});
    return created;
  }

  get state(): Readonly<UploadState> {
    return this.#state;
  }

  /** When the session is dropped if nobody uses it before. Milliseconds since the epoch. */
  get deadline(): number {
    const { phase, usedAt, expiresAfter } = this.#state;
    return usedAt + (phase === "committed" ? COMMITTED_MEMORY : expiresAfter);
  }

  /** The multipart upload under way; null before the first part. */
  get multipart(): Multipart | null {
    const { objectKey, multipartId } = this.#state;
    return objectKey === null || multipartId === null ? null : { key: objectKey, id: multipartId };
  }

  /** It is in use. Writes only when that was not written down lately, or a change waits. */
  touch(): void {
    const since = Date.now() - this.#state.usedAt;
    if (this.#waiting || since > this.#state.expiresAfter * TOUCH_PRECISION) this.#save({});
  }

  /** It counts among the open ones from then on. */
  count(now: number): void {
    this.#save({ countedAt: now });
  }

  /** The client sends chunks: what it sends next goes on where the last one ended. */
  becomeChunked(): void {
    this.#waiting ||= !this.#state.chunked;
    this.#state = { ...this.#state, chunked: true };
  }

  /** The last bytes came by a PUT of unknown length. */
  mayBeCut(): void {
    this.#save({ perhapsCut: true });
  }

  /** A multipart upload is there to take parts. */
  beginMultipart({ key, id }: Multipart): void {
    this.#save({ objectKey: key, multipartId: id });
  }

  /** A full part is in the store: its bytes leave the tail, and all up to its end is kept. */
  recordPart({ number, etag }: Part): void {
    this.#storage.transactionSync(() => {
      this.#deleteTail();
      this.#storage.kv.put(partKey(number), etag);
      this.#save({ partCount: number, offset: number * PART_SIZE, digest: null });
    });
  }

  /** Keeps a tail that has grown, and with it every byte received so far. Writes only the rows that changed. */
  saveTail(tail: Uint8Array, digest: Digest | null): void {
    this.#storage.transactionSync(() => {
      const firstRow = Math.floor(this.tailLength / TAIL_ROW_SIZE);
      // A copy: what is stored would else be the whole buffer behind the view. One for all whole rows.
      let copy = new Uint8Array(0);
      for (let row = firstRow; row * TAIL_ROW_SIZE < tail.byteLength; row++) {
        const bytes = tail.subarray(row * TAIL_ROW_SIZE, (row + 1) * TAIL_ROW_SIZE);
        if (copy.byteLength !== bytes.byteLength) copy = new Uint8Array(bytes.byteLength);
        copy.set(bytes);
        this.#storage.kv.put(tailKey(row), copy);
      }
      this.#save({ offset: this.#state.partCount * PART_SIZE + tail.byteLength, digest });
    });
  }

  /** A whole body is about to go straight to the store, as this object. */
  beginPutting(key: string): void {
    this.#save({ phase: "putting", objectKey: key });
  }

  /** All bytes are here, and the parts about to become one object. */
  beginStoring(): void {
    this.#save({ phase: "storing" });
  }

  /** The object hashes to `digest`: its rows are about to be written. @param size in bytes */
  beginCommit(digest: Digest, size: number): void {
    this.#save({ phase: "committing", closedAs: digest, offset: size });
  }

  /** The tail has all bytes, and hashes to `digest`: it is about to become this object, and that one's rows. */
  beginTailCommit(digest: Digest, key: string): void {
    this.#save({ phase: "committing", closedAs: digest, objectKey: key, multipartId: null, fromTail: true });
  }

  /** The rows are written. The state stays for a repeated PUT, the bytes need not. */
  commit(): void {
    this.#saveWithoutBytes({ phase: "committed", fromTail: false });
  }

  /** Back to byte 0: nothing that came before counts. */
  restart(): void {
    this.#saveWithoutBytes(EMPTY);
  }

  /** The finished object was closed too early: its bytes are about to be taken back, as parts of another one. */
  beginReopening(): void {
    this.#saveWithoutBytes({ ...EMPTY, phase: "reopening", reopenedFrom: this.#state.objectKey });
  }

  /** All bytes have been taken back. */
  reopen(): void {
    this.#save({ phase: "open", reopenedFrom: null });
  }

  /** Nobody is to see the session any more; its bytes are about to go. */
  beginDiscarding(): void {
    this.#save({ discarding: true });
  }

  parts(): Part[] {
    return Array.from({ length: this.#state.partCount }, (_, index) => ({
      number: index + 1,
      etag: this.#storage.kv.get<string>(partKey(index + 1)) as string,
    }));
  }

  /** The bytes behind the last full part. @param into as many bytes, to write them to */
  loadTail(into: Uint8Array = new Uint8Array(this.tailLength)): Uint8Array {
    for (let start = 0; start < into.byteLength; start += TAIL_ROW_SIZE) {
      into.set(this.#storage.kv.get<Uint8Array>(tailKey(start / TAIL_ROW_SIZE)) as Uint8Array, start);
    }
    return into;
  }

  /** Bytes behind the last full part. */
  get tailLength(): number {
    return this.#state.offset - this.#state.partCount * PART_SIZE;
  }

  #save(change: Partial<UploadState>): void {
    this.#state = { ...this.#state, ...change, usedAt: Date.now() };
    this.#storage.kv.put("state", this.#state);
    this.#waiting = false;
  }

  #saveWithoutBytes(change: Partial<UploadState>): void {
    this.#storage.transactionSync(() => {
      this.#deleteTail();
      for (const [key] of [...this.#storage.kv.list({ prefix: "part/" })]) this.#storage.kv.delete(key);
      this.#save(change);
    });
  }

  #deleteTail(): void {
    // A body that went straight to the store counts as a tail, and left none here.
    const end = Math.min(this.tailLength, PART_SIZE);
    for (let row = 0; row * TAIL_ROW_SIZE < end; row++) this.#storage.kv.delete(tailKey(row));
  }
}
