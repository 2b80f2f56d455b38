/** A layer's bytes, in ranges. */

import type { ByteRange } from "../../oci/range.ts";

export interface Opened {
  /** Of the whole blob. Bytes. */
  size: number;
  body: ReadableStream<Uint8Array>;
}

/** @param select called with the blob's size, says which part is wanted: null for the whole */
export type OpenBlob = (select: (size: number) => ByteRange | null) => Promise<Opened>;

/** From how many bytes on opening another range is better than reading past them. */
const WORTH_SKIPPING = 4 * 1024 * 1024;

/** Each takes a query and a call of the store. */
const MAX_SKIPS = 100;

/** The bytes from the first on, as far as a limit, and past what need not be read. */
export class BlobReader {
  /** Whether the limit has ended it. */
  cut = false;
  readonly #open: OpenBlob;
  readonly #opened: Opened;
  readonly #limit: number;
  /** What is still to be passed over. Bytes. */
  #passing = 0;
  #skips = 0;

  /** @param opened the whole blob @param limit how many bytes are read */
  constructor(open: OpenBlob, opened: Opened, limit: number) {
    this.#open = open;
    this.#opened = opened;
    this.#limit = limit;
  }

  /** Whether so many bytes are to be passed over, from the end of the last that were yielded. */
  skip(bytes: number): boolean {
    if (bytes < WORTH_SKIPPING || this.#skips === MAX_SKIPS) return false;
    this.#skips++;
    this.#passing = bytes;
    return true;
  }

  /** Once. What is not read is cancelled. @throws when the blob ends before what was to be passed over */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const { size } = this.#opened;
    let reader = this.#opened.body.getReader();
    let read = 0;
    try {
      for (let position = 0; ; ) {
        if (this.#passing > 0) {
          position += this.#passing;
          this.#passing = 0;
          await reader.cancel();
          if (position > size) throw new Error("the archive ends within a file");
          if (position === size) return;
          const rest = { offset: position, length: size - position };
          reader = (await this.#open(() => rest)).body.getReader();
        }
        const { done, value } = await reader.read();
        if (done) return;
        const room = this.#limit - read;
        position += value.byteLength;
        read += value.byteLength;
        this.cut = read > this.#limit;
        yield value.subarray(0, room);
        if (this.cut) return;
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
  }
}
