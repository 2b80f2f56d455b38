/**
 * A blob of another registry, read as it is sent on. Nothing of it is kept: bytes that have to be sent again are
 * read again, and when the connection breaks another one goes on behind the last byte.
 */

import { createHash, type Hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { algorithmOf, type Digest, snapshot } from "../../oci/digest.ts";
import { describe, Failure } from "../failure.ts";
import { complaint } from "../http/complaint.ts";
import { ConnectionFailure } from "../http/exchange.ts";
import { isPassing, Patience } from "../http/retry.ts";
import type { Registry } from "../push/registry.ts";
import type { ChunkSource } from "../upload/chunk-source.ts";

/** How long the registry may say nothing. Milliseconds. */
const SILENCE = 60_000;

interface Line {
  message: IncomingMessage;
  pieces: AsyncIterator<Buffer>;
}

export class RemoteBlob implements ChunkSource {
  readonly #registry: Registry;
  readonly #digest: Digest;
  readonly #size: number;
  readonly #hash: Hash;
  /** How many bytes, from the first one on, the hash has been fed. */
  #hashed = 0;
  #line: Line | null = null;
  /** Where the line is. */
  #position = 0;
  /** What came with the last piece and was not asked for yet. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(registry: Registry, digest: Digest, size: number) {
    this.#registry = registry;
    this.#digest = digest;
    this.#size = size;
    this.#hash = createHash(algorithmOf(digest));
  }

  async measure(offset: number, limit: number): Promise<number> {
    return Math.max(0, Math.min(limit, this.#size - offset));
  }

  release(): void {}

  /** @throws Failure when it is not what its digest says, before its last byte is handed out */
  async *read(offset: number, length: number): AsyncGenerator<Uint8Array> {
    if (this.#position !== offset) this.#hangUp();
    if (this.#line === null) this.#position = offset;
    for (let left = length; left > 0; ) {
      const piece = await this.#next();
      const part = piece.subarray(0, left);
      this.#rest = piece.subarray(part.length);
      this.#check(this.#position, part);
      this.#position += part.length;
      left -= part.length;
      yield part;
    }
  }

  /** Ends what is under way. */
  close(): void {
    this.#hangUp();
  }

  #hangUp(): void {
    this.#line?.message.destroy();
    this.#line = null;
    this.#rest = Buffer.alloc(0);
  }

  /** At least one byte. */
  async #next(): Promise<Buffer> {
    const { pauses } = this.#registry;
    const patience = new Patience(pauses, (pause, reason) => {
      this.#registry.log(`${reason}; reading on in ${pause / 1000} s`);
    });
    for (;;) {
      try {
        this.#line ??= await this.#open(this.#position, patience);
        if (this.#rest.length > 0) return this.#rest;
        const { done, value } = await within(SILENCE, this.#line.pieces.next());
        if (!done && value.length > 0) return value;
        if (done) throw new Error("the connection ended early");
      } catch (error) {
        this.#hangUp();
        if (error instanceof Failure) throw error;
        const reason = error instanceof ConnectionFailure ? error.message : this.#says(describe(error));
        if (!(await patience.wait(reason)))
          throw new Failure(`${reason}. Run the same command again to go on.`);
      }
    }
  }

  async #open(offset: number, patience: Patience): Promise<Line> {
    for (;;) {
      const message = await this.#registry.openBlob(this.#digest, offset);
      const status = message.statusCode ?? 0;
      if (status === 200 || status === 206) return this.#begin(message, status === 206 ? 0 : offset);
      message.destroy();
      const answer = { status, headers: message.headers, body: Buffer.alloc(0) };
      if (!isPassing(status) || !(await patience.wait(this.#says(complaint(answer)), answer))) {
        throw new Failure(`${this.#says(complaint(answer))}.`);
      }
    }
  }

  /** @param skip bytes that a registry without ranges sends again */
  async #begin(message: IncomingMessage, skip: number): Promise<Line> {
    const pieces: AsyncIterator<Buffer> = message[Symbol.asyncIterator]();
    for (let left = skip; left > 0; ) {
      const { done, value } = await within(SILENCE, pieces.next());
      if (done) throw new Error("the connection ended early");
      if (value.length > left) this.#rest = value.subarray(left);
      left -= value.length;
    }
    return { message, pieces };
  }

  #check(start: number, piece: Buffer): void {
    // After bytes that went before this program began, the registry that takes them compares alone.
    if (start > this.#hashed || start + piece.length <= this.#hashed) return;
    const fresh = piece.subarray(this.#hashed - start);
    this.#hash.update(fresh);
    this.#hashed += fresh.length;
    if (this.#hashed < this.#size || snapshot(this.#hash, algorithmOf(this.#digest)) === this.#digest) return;
    throw new Failure(this.#says("its bytes are something else. It is damaged there"));
  }

  #says(what: string): string {
    return `${this.#registry.origin.host}, ${this.#digest}: ${what}`;
  }
}

/** @throws Error when it takes longer than `time` milliseconds */
async function within<T>(time: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came for ${time / 1000} s`)), time);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
