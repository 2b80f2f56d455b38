/** Gathers the bytes of one R2 part. Small uploads stay small in memory: it grows by doubling. */
export class PartBuffer {
  readonly #capacity: number;
  #bytes: Uint8Array;
  #length = 0;

  /** @param initial what the part begins with */
  constructor(capacity: number, initial: Uint8Array) {
    this.#capacity = capacity;
    this.#bytes = new Uint8Array(Math.min(capacity, Math.max(MIN_ALLOCATION, initial.byteLength)));
    this.push(initial);
  }

  get full(): boolean {
    return this.#length === this.#capacity;
  }

  /** What has been gathered: a view, valid until the next push or take. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Copies as much of `chunk` as fits. @returns how many bytes that were */
  push(chunk: Uint8Array): number {
    const count = Math.min(chunk.byteLength, this.#capacity - this.#length);
    this.#reserve(this.#length + count);
    this.#bytes.set(chunk.subarray(0, count), this.#length);
    this.#length += count;
    return count;
  }

  /** Hands the gathered bytes over and begins anew. */
  take(): Uint8Array {
    const taken = this.bytes;
    this.#bytes = new Uint8Array(MIN_ALLOCATION);
    this.#length = 0;
    return taken;
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(Math.min(this.#capacity, Math.max(length, this.#bytes.byteLength * 2)));
    grown.set(this.bytes);
    this.#bytes = grown;
  }
}

const MIN_ALLOCATION = 64 * 1024;
