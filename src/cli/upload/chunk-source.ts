/** Where a blob's bytes come from: a file, or a client that is still sending them. */

export interface ChunkSource {
  /**
   * How many bytes can be sent from `offset` on, `limit` at most: fewer only when the blob ends there, 0 at its
   * end. May wait for them to arrive.
   */
  measure(offset: number, limit: number): Promise<number>;
  /** These bytes; again as often as asked, until they are released. May wait for them to arrive. */
  read(offset: number, length: number): AsyncIterable<Uint8Array>;
  /** Bytes before `offset` will not be asked for again. */
  release(offset: number): void;
}
