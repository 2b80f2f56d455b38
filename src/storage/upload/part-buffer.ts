/**
 * Gathers the bytes of store parts in two buffers that take turns: one fills while the other is on its way. Small
 * uploads stay small; one that outgrows its first few bytes takes a whole part at once, as growing by steps would
 * hold two copies at every step.
 */

import { PART_SIZE } from "./state.ts";

/** What needs no place (gate.ts). Bytes. */
export const SMALL = 256 * 1024;

export class PartBuffer {
  /** A buffer for a whole part. */
  readonly #whole: () => Uint8Array;
  #filling: Uint8Array = new Uint8Array(SMALL);
  #length = 0;
  /** The other one, when it is not on its way. */
  #spare: Uint8Array | null = null;

  constructor(whole: () => Uint8Array) {
    this.#whole = whole;
  }

  /** Begins with `length` bytes, which `load` writes. */
  begin(length: number, load: (into: Uint8Array) => void): void {
    if (length >= SMALL) this.#filling = this.#whole();
    this.#length = length;
    load(this.#filling.subarray(0, length));
  }

  get full(): boolean {
    return this.#length === PART_SIZE;
  }

  /** The buffers for whole parts that are not on their way. They are not to be used here any more. */
  get idle(): Uint8Array[] {
    return [this.#filling, this.#spare].filter((buffer) => buffer?.byteLength === PART_SIZE) as Uint8Array[];
  }

  /** Whether `count` more bytes fit into what is allocated. */
  holds(count: number): boolean {
    return this.#length + count <= this.#filling.byteLength;
  }

  /** What has been gathered: a view, valid until the next push or take. */
  get bytes(): Uint8Array {
    return this.#filling.subarray(0, this.#length);
  }

  /** Copies as much of `chunk` as fits into the part. @returns how many bytes that were */
  push(chunk: Uint8Array): number {
    const count = Math.min(chunk.byteLength, PART_SIZE - this.#length);
    if (!this.holds(count)) {
      const grown = this.#whole();
      grown.set(this.bytes);
      this.#filling = grown;
    }
    this.#filling.set(chunk.subarray(0, count), this.#length);
    this.#length += count;
    return count;
  }

  /** Hands a full part over, and goes on in the other buffer. The caller gives it back when it has been sent. */
  take(): Uint8Array {
    const taken = this.#filling;
    this.#filling = this.#spare ?? this.#whole();
    this.#spare = null;
    this.#length = 0;
    return taken;
  }

  giveBack(buffer: Uint8Array): void {
    this.#spare = buffer;
  }
}
