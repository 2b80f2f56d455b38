/**
 * A request body that can be sent again: what the registry has not acknowledged yet is kept, and nothing more.
 * The client is held back (its connection is not read) while more would have to be kept.
 */

import type { Readable } from "node:stream";
import type { ChunkSource } from "../upload/chunk-source.ts";

/** The client went away before its body was complete. */
export class ClientGone extends Error {
  override name = "ClientGone";
}

export interface Body {
  stream: Readable;
  /** Bytes; null when the client does not know. */
  length: number | null;
  /** Where in the blob its first byte belongs. */
  offset: number;
}

/**
 * How far the client may be ahead of the registry when the length is known. Little: containerd gives up 30 s
 * after its last byte, and all that is ahead has yet to be sent then. Bytes.
 */
const AHEAD = 1024 * 1024;

interface Piece {
  /** Where in the blob it begins. */
  start: number;
  bytes: Buffer;
}

export class ReplayBuffer implements ChunkSource {
  readonly #stream: Readable;
  /** Where in the blob the body ends; null until that is known. */
  #end: number | null;
  readonly #ahead: number;
  #pieces: Piece[] = [];
  /** Where the last one ends: how far the client got. */
  #arrived: number;
  /** Bytes before this are not kept. */
  #released: number;
  /** How far bytes have been asked for. */
  #wanted: number;
  #failure: Error | null = null;
  #wake: () => void = () => {};

  /** @param chunk bytes to take in beyond what is asked for, when the length is not known */
  constructor(body: Body, chunk: number) {
    this.#stream = body.stream;
    this.#end = body.length === null ? null : body.offset + body.length;
    this.#ahead = body.length === null ? chunk : AHEAD;
    this.#arrived = body.offset;
    this.#released = body.offset;
    this.#wanted = body.offset;
    this.#stream.on("data", (piece: Buffer) => this.#take(piece));
    this.#stream.once("end", () => this.#finish());
    this.#stream.once("error", () => this.#fail());
    this.#stream.once("close", () => this.#fail());
  }

  async measure(offset: number, limit: number): Promise<number> {
    if (this.#end === null) {
      this.#want(offset + limit);
      while (this.#end === null && this.#arrived < offset + limit) await this.#more();
    }
    return Math.max(0, Math.min(limit, (this.#end ?? this.#arrived) - offset));
  }

  async *read(offset: number, length: number): AsyncGenerator<Uint8Array> {
    let position = offset;
    while (position < offset + length) {
      this.#want(position);
      if (position >= this.#arrived) {
        await this.#more();
        continue;
      }
      const piece = this.#at(position).subarray(0, offset + length - position);
      position += piece.length;
      yield piece;
    }
  }

  release(offset: number): void {
    this.#released = Math.max(this.#released, offset);
    this.#drop();
    this.#want(this.#released);
  }

  /** The rest of the piece that holds this byte. */
  #at(position: number): Buffer {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#pieces[middle]?.start ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    const piece = this.#pieces[low];
    if (piece === undefined || position < piece.start) throw new RangeError(`byte ${position} is not kept`);
    return piece.bytes.subarray(position - piece.start);
  }

  #take(bytes: Buffer): void {
    this.#pieces.push({ start: this.#arrived, bytes });
    this.#arrived += bytes.length;
    this.#drop();
    this.#pace();
    this.#wake();
  }

  #drop(): void {
    const kept = this.#pieces.findIndex(({ start, bytes }) => start + bytes.length > this.#released);
    this.#pieces.splice(0, kept === -1 ? this.#pieces.length : kept);
  }

  #want(position: number): void {
    this.#wanted = Math.max(this.#wanted, position);
    this.#pace();
  }

  #pace(): void {
    if (this.#arrived >= this.#wanted + this.#ahead) this.#stream.pause();
    else if (this.#stream.isPaused()) this.#stream.resume();
  }

  /** Waits until something has changed. @throws ClientGone */
  async #more(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    await new Promise<void>((wake) => {
      this.#wake = wake;
    });
    if (this.#failure !== null) throw this.#failure;
  }

  #finish(): void {
    if (this.#end === null) this.#end = this.#arrived;
    this.#fail();
    this.#wake();
  }

  /** Unless the body is complete: a stream closes after its end, too. */
  #fail(): void {
    if (this.#end === this.#arrived) return;
    this.#failure = new ClientGone("the client went away");
    this.#wake();
  }
}
