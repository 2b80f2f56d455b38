/** Takes in one request body: bytes become R2 parts as they arrive, and the rest a tail that is kept. */

import { createHash, type Hash } from "node:crypto";
import { snapshot } from "../oci/digest.ts";
import { type BodyReader, Interrupted } from "./body-reader.ts";
import { newObjectKey } from "./objects.ts";
import { PartBuffer } from "./part-buffer.ts";
import type { Chunk } from "./upload-outcomes.ts";
import { PART_SIZE, type UploadState, type UploadStore } from "./upload-state.ts";

/** R2 takes 10,000 parts; the last one may be short. */
const MAX_FULL_PARTS = 9_999;

/** How often a part is sent to R2 before the request fails. */
const PART_TRIES = 3;

/** A running hash, and how many bytes it has seen. */
export interface RunningHash {
  hash: Hash;
  offset: number;
}

type End = "complete" | "interrupted" | "wrong-length" | "too-large";

export class Intake {
  /** The hash of all bytes kept; null when a crash took that of the earlier ones. Valid when `run` has ended. */
  running: RunningHash | null = null;
  readonly #bucket: R2Bucket;
  readonly #store: UploadStore;
  readonly #state: UploadState;
  readonly #part: PartBuffer;
  readonly #chunk: Chunk;
  readonly #body: BodyReader;
  /** The one part that is on its way while the next one fills. */
  #uploading: Promise<void> = Promise.resolve();

  /** @param running from the request before; null when this object was evicted since */
  constructor(
    bucket: R2Bucket,
    store: UploadStore,
    state: UploadState,
    chunk: Chunk,
    body: BodyReader,
    running: RunningHash | null,
  ) {
    this.#bucket = bucket;
    this.#store = store;
    this.#state = state;
    this.#part = new PartBuffer(PART_SIZE, store.loadTail(state));
    this.#chunk = chunk;
    this.#body = body;
    if (running?.offset === state.offset) this.running = running;
    // Nothing has left the tail yet: it can be hashed again.
    else if (state.partCount === 0) {
      this.running = { hash: createHash(state.algorithm).update(this.#part.bytes), offset: state.offset };
    }
  }

  /**
   * Reads the body to its end, and keeps what arrived: afterwards `state.offset` is written down.
   * @throws when R2 fails: then everything up to the last recorded part is kept
   */
  async run(): Promise<End> {
    const end = await this.#readAll();
    await this.#uploading;
    const digest = this.running && snapshot(this.running.hash, this.#state.algorithm);
    this.#store.saveTail(this.#state, this.#part.bytes, digest);
    return end;
  }

  async #readAll(): Promise<End> {
    const limit = this.#chunk.range?.length ?? Number.POSITIVE_INFINITY;
    try {
      for (let bytes = await this.#body.read(); bytes !== null; bytes = await this.#body.read()) {
        const excess = Math.max(this.#body.received - limit, 0);
        if (!(await this.#take(bytes.subarray(0, bytes.byteLength - excess)))) return "too-large";
        if (excess > 0) return "wrong-length";
      }
    } catch (error) {
      if (error instanceof Interrupted) return "interrupted";
      throw error;
    }
    return this.#end();
  }

  /** How a body that ended without an error has ended. */
  #end(): End {
    const { length, range } = this.#chunk;
    if (length !== null && this.#body.received < length) return "interrupted";
    if (range !== null && this.#body.received < range.length) return "wrong-length";
    return "complete";
  }

  /** @returns false when R2 can hold no more */
  async #take(bytes: Uint8Array): Promise<boolean> {
    if (this.running !== null) {
      this.running.hash.update(bytes);
      this.running.offset += bytes.byteLength;
    }
    for (let rest = bytes; ; ) {
      rest = rest.subarray(this.#part.push(rest));
      if (this.#part.full) {
        await this.#uploading;
        if (this.#state.partCount === MAX_FULL_PARTS) return false;
        this.#uploading = this.#uploadPart(this.#part.take());
        // It is awaited later; until then a failure is no unhandled rejection.
        this.#uploading.catch(() => {});
      }
      if (rest.byteLength === 0) return true;
    }
  }

  async #uploadPart(bytes: Uint8Array): Promise<void> {
    const multipart = await this.#multipart();
    for (let tries = 1; ; tries++) {
      try {
        const { etag } = await multipart.uploadPart(this.#state.partCount + 1, bytes);
        this.#store.recordPart(this.#state, etag);
        return;
      } catch (error) {
        if (tries === PART_TRIES) throw error;
      }
    }
  }

  async #multipart(): Promise<R2MultipartUpload> {
    const { objectKey, multipartId } = this.#state;
    if (objectKey !== null && multipartId !== null)
      return this.#bucket.resumeMultipartUpload(objectKey, multipartId);
    const created = await this.#bucket.createMultipartUpload(newObjectKey("blobs"));
    this.#state.objectKey = created.key;
    this.#state.multipartId = created.uploadId;
    this.#store.save(this.#state);
    return created;
  }
}
