/**
 * Gathers the bytes of store parts in two buffers that take turns: one fills while the other is on its way. Small
 * uploads stay small; one that outgrows its first few bytes takes a whole part at once, as growing by steps would
 * hold two copies at every step.
 */

/** What needs no place (gate.ts). Bytes. */
export const SMALL = 256 * 1024;

export class PartBuffer {
  readonly #capacity: number;
  #filling: Uint8Array;
  #length: number;
  /** The other one, when it is not on its way. */
  #spare: Uint8Array | null = null;

  /** @param initial what the part begins with */
  constructor(capacity: number, initial: Uint8Array) {
    this.#capacity = capacity;
    this.#filling = new Uint8Array(initial.byteLength < SMALL ? SMALL : capacity);
    this.#filling.set(initial);
    this.#length = initial.byteLength;
  }

  get full(): boolean {
    return this.#length === this.#capacity;
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
    const count = Math.min(chunk.byteLength, this.#capacity - this.#length);
    if (!this.holds(count)) {
      const grown = new Uint8Array(this.#capacity);
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
    this.#filling = this.#spare ?? new Uint8Array(this.#capacity);
    this.#spare = null;
    this.#length = 0;
    return taken;
  }

  giveBack(buffer: Uint8Array): void {
    this.#spare = buffer;
  }
}
