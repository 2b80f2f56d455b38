/** Takes in one request body: bytes become parts in the store as they arrive, and the rest a tail that is kept. */

import { createHash, type Hash } from "node:crypto";
import { snapshot } from "../../oci/digest.ts";
import { newObjectKey } from "../objects/keys.ts";
import type { Multipart, Objects } from "../objects/objects.ts";
import { type BodyReader, Interrupted } from "./body-reader.ts";
import { gate, type Place } from "./gate.ts";
import { PartBuffer, SMALL } from "./part-buffer.ts";
import type { Chunk, Refusal } from "./protocol.ts";
import type { Upload } from "./state.ts";

/** Within the time after which a silent body gives way. Bytes. */
const LEAST_PACE = 256 * 1024;

/** A running hash, and how many bytes it has seen. */
export interface RunningHash {
  hash: Hash;
  offset: number;
}

/** "lost": the store has dropped the multipart upload, and with it the bytes. */
export type End = "complete" | "interrupted" | "wrong-length" | "too-large" | "lost";

/** What an end means to the client; null when the body was taken in whole. */
export function refusalOf(end: End, { state }: Upload): Refusal | null {
  if (end === "complete") return null;
  if (end === "too-large") return { kind: "too-large" };
  return end === "lost" ? { kind: "unknown" } : { kind: end, offset: state.offset };
}

export class Intake {
  /** The hash of all bytes kept; null when a crash took that of the earlier ones. Valid when `run` has ended. */
  running: RunningHash | null = null;
  readonly #objects: Objects;
  readonly #upload: Upload;
  readonly #part = new PartBuffer(() => (this.#place as Place).buffer());
  readonly #chunk: Pick<Chunk, "length" | "range">;
  readonly #body: BodyReader;
  /** The one part that is on its way while the next one fills. It says whether the store still has the upload. */
  #sending: Promise<boolean> = Promise.resolve(true);
  /** The place for whole parts that this intake holds; null while it is small. */
  #place: Place | null = null;
  /** Ends the watch for a client that is all but silent there. */
  #unwatch = () => {};

  /** @param running from the request before; null when this object was evicted since */
  constructor(
    objects: Objects,
    upload: Upload,
    chunk: Pick<Chunk, "length" | "range">,
    body: BodyReader,
    running: RunningHash | null,
  ) {
    this.#objects = objects;
    this.#upload = upload;
    this.#chunk = chunk;
    this.#body = body;
    if (running?.offset === upload.state.offset) this.running = running;
  }

  /**
   * Reads the body to its end, and keeps what arrived: afterwards the upload's offset is written down.
   * @throws Unavailable when the store fails: then everything up to the last recorded part is kept
   */
  async run(): Promise<End> {
    // Before the tail is loaded: it may be nearly a part.
    if (this.#upload.tailLength >= SMALL) await this.#enter();
    try {
      this.#loadTail();
      const end = await this.#readAll();
      if (!(await this.#sending)) return "lost";
      const { algorithm } = this.#upload.state;
      this.#upload.saveTail(this.#part.bytes, this.running && snapshot(this.running.hash, algorithm));
      return end;
    } finally {
      for (const buffer of this.#part.idle) this.#place?.giveBack(buffer);
      this.#unwatch();
      this.#place?.leave();
    }
  }

  #loadTail(): void {
    const { partCount, algorithm, offset } = this.#upload.state;
    this.#part.begin(this.#upload.tailLength, (into) => this.#upload.loadTail(into));
    // Nothing has left the tail yet: it can be hashed again.
    if (this.running === null && partCount === 0) {
      this.running = { hash: createHash(algorithm).update(this.#part.bytes), offset };
    }
  }

  async #readAll(): Promise<End> {
    const limit = this.#chunk.range?.length ?? Number.POSITIVE_INFINITY;
    try {
      for (let bytes = await this.#body.read(); bytes !== null; bytes = await this.#body.read()) {
        const excess = Math.max(this.#body.received - limit, 0);
        const refused = await this.#take(bytes.subarray(0, bytes.byteLength - excess));
        if (refused !== null) return refused;
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

  /** @returns null, or why no more can be taken */
  async #take(bytes: Uint8Array): Promise<"too-large" | "lost" | null> {
    if (this.#place === null && !this.#part.holds(bytes.byteLength)) await this.#enter();
    if (this.running !== null) {
      this.running.hash.update(bytes);
      this.running.offset += bytes.byteLength;
    }
    for (let rest = bytes; ; ) {
      rest = rest.subarray(this.#part.push(rest));
      if (this.#part.full) {
        if (!(await this.#sending)) return "lost";
        // The last part, which may be short, is the tail's.
        if (this.#upload.state.partCount === this.#objects.can.maxParts - 1) return "too-large";
        this.#sending = this.#send(this.#part.take());
        // It is awaited later; until then a failure is no unhandled rejection.
        this.#sending.catch(() => {});
      }
      if (rest.byteLength === 0) return null;
    }
  }

  /** Waits for a place to hold whole parts in. A client that is all but silent there gives way to those who wait. */
  async #enter(): Promise<void> {
    this.#place = await gate.enter();
    this.#unwatch = this.#body.giveWay(this.#upload.state.stallTimeout, LEAST_PACE, () => gate.crowded);
  }

  async #send(bytes: Uint8Array): Promise<boolean> {
    const number = this.#upload.state.partCount + 1;
    const part = await this.#objects.putPart(await this.#multipart(), number, bytes);
    this.#part.giveBack(bytes);
    if (part !== null) this.#upload.recordPart(part);
    return part !== null;
  }

  async #multipart(): Promise<Multipart> {
    if (this.#upload.multipart !== null) return this.#upload.multipart;
    const created = await this.#objects.beginMultipart(newObjectKey("blobs"));
    this.#upload.beginMultipart(created);
    return created;
  }
}
