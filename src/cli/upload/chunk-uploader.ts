/**
 * Brings a blob's bytes into an upload session, chunk by chunk, and closes it.
 *
 * After anything but success the registry is asked how far it got, and its word is followed: bytes are sent from
 * there on, or the upload fails. Nothing is ever assumed to have arrived.
 *
 *   send chunk ─ 2xx ──────────────────────────────▶ next chunk, from where Range says
 *        │
 *        ├─ 413 ─────────▶ halve the chunk ────────▶ send again
 *        ├─ 416 ─────────▶ its Range, else ask ────▶ send from there
 *        ├─ 5xx, 429, connection lost ─▶ pause ─▶ ask ─▶ send from there
 *        ├─ 404 ─────────▶ SessionLost
 *        └─ other ───────▶ UploadRefused
 */

import { complaint } from "../http/complaint.ts";
import { type Answer, ConnectionFailure, type Request } from "../http/exchange.ts";
import { isPassing, Patience } from "../http/retry.ts";
import { type ChunkPlan, shrink } from "./chunk-plan.ts";
import type { ChunkSource } from "./chunk-source.ts";
import { SessionLost, UploadRefused } from "./refusal.ts";
import { locationOf, offsetOf, type UploadSession, withDigest } from "./session.ts";

/** Sends one request with the credentials it takes. @throws ConnectionFailure */
export type Send = (request: Request) => Promise<Answer>;

export interface UploaderOptions {
  plan: ChunkPlan;
  /** Milliseconds, one before each new try. */
  pauses: readonly number[];
  /** A chunk did not get through; the next try follows after `pause` milliseconds. */
  onPause?: (pause: number, reason: string) => void;
  /** The registry has acknowledged more, or has moved the session. */
  onProgress?: (session: UploadSession) => void;
}

export class ChunkUploader {
  readonly session: UploadSession;
  /** What the registry answered last about this session; null before that. */
  lastAnswer: Answer | null = null;

  readonly #send: Send;
  readonly #options: UploaderOptions;
  readonly #patience: Patience;
  /** What stands behind the last failure, when patience ends. */
  #cause: unknown = null;

  constructor(send: Send, session: UploadSession, options: UploaderOptions) {
    this.session = session;
    this.#send = send;
    this.#options = options;
    this.#patience = new Patience(options.pauses, options.onPause);
  }

  /** How large a chunk is now. Bytes. */
  get chunkSize(): number {
    return this.#options.plan.size;
  }

  /**
   * Sends everything that the session does not have yet.
   * @throws UploadRefused, SessionLost, ConnectionFailure, or what `source` throws
   */
  async sendAll(source: ChunkSource): Promise<void> {
    const { session } = this;
    for (;;) {
      const length = await source.measure(session.offset, this.chunkSize);
      if (length === 0) return;
      await this.#sendChunk(source, length);
      source.release(session.offset);
    }
  }

  /**
   * Makes the session's bytes the blob `digest`. A try whose answer was lost can have succeeded: it is repeated,
   * and `blobExists` is asked when the session is gone by then.
   * @param whole all of the blob, sent along while the session has nothing of it yet
   * @returns the registry's answer; null when it is lost, yet the blob is there
   * @throws as `sendAll` does
   */
  async close(digest: string, blobExists: () => Promise<boolean>, whole?: WholeBlob): Promise<Answer | null> {
    try {
      return await this.#close(digest, this.session.offset === 0 ? whole : undefined);
    } catch (error) {
      if (error instanceof SessionLost && this.#cause !== null && (await blobExists())) return null;
      throw error;
    }
  }

  async #close(digest: string, whole: WholeBlob | undefined): Promise<Answer> {
    let body = whole;
    for (;;) {
      const answer = await this.#attempt({
        method: "PUT",
        url: withDigest(this.session.location, digest),
        headers: { "Content-Length": body?.length ?? 0, "Content-Type": "application/octet-stream" },
        ...(body && { body: read(body.source, 0, body.length) }),
      });
      if (answer !== null && isSuccess(answer)) return answer;
      if (answer?.status === 413 && body !== undefined) this.#shrink(body.length, answer);
      else if (answer !== null) await this.#judge(answer);
      if (body === undefined) continue;
      // It went wrong in one piece, so it goes on in chunks.
      await this.#recover();
      await this.sendAll(body.source);
      body = undefined;
    }
  }

  /** Asks the registry how far it got. @throws as `sendAll` does */
  async readStatus(): Promise<void> {
    for (;;) {
      const { location } = this.session;
      const answer = await this.#attempt({ method: "GET", url: location });
      if (answer === null) continue;
      if (isSuccess(answer)) return this.#accept(answer, location, this.session.offset);
      await this.#judge(answer);
    }
  }

  async #sendChunk(source: ChunkSource, length: number): Promise<void> {
    const { offset, location } = this.session;
    const answer = await this.#attempt({
      method: "PATCH",
      url: location,
      headers: {
        "Content-Type": "application/octet-stream",
        "Content-Length": length,
        "Content-Range": `${offset}-${offset + length - 1}`,
      },
      body: read(source, offset, length),
    });
    if (answer === null) return this.#recover();
    if (isSuccess(answer)) {
      this.#accept(answer, location, offset + length);
      if (this.session.offset > offset) this.#patience.renew();
      else await this.#pause("the registry took nothing of a chunk", answer);
    } else if (answer.status === 413) {
      this.#shrink(length, answer);
    } else if (answer.status === 416) {
      await this.#followRange(answer, location);
    } else {
      await this.#judge(answer);
      await this.#recover();
    }
  }

  /** Goes on from where the registry stands after it called a chunk out of order. */
  async #followRange(answer: Answer, location: URL): Promise<void> {
    const before = this.session.offset;
    if (offsetOf(answer) === null) await this.#recover();
    else this.#accept(answer, location, before);
    // "0-0" was taken for none, and the registry insists: it is one byte.
    if (before === 0 && this.session.offset === 0) this.session.offset = 1;
    if (this.session.offset > before) return this.#patience.renew();
    await this.#pause("the registry stands elsewhere", answer);
  }

  /** After a request whose fate is unknown. */
  async #recover(): Promise<void> {
    const before = this.session.offset;
    await this.readStatus();
    if (this.session.offset > before) this.#patience.renew();
  }

  /** Sends one request. @returns null after a lost connection and a pause */
  async #attempt(request: Request): Promise<Answer | null> {
    try {
      this.lastAnswer = await this.#send(request);
      return this.lastAnswer;
    } catch (error) {
      if (!(error instanceof ConnectionFailure)) throw error;
      this.#cause = error;
      await this.#pause(error.message);
      return null;
    }
  }

  /** Returns, after a pause, when another try may help. */
  async #judge(answer: Answer): Promise<void> {
    if (answer.status === 404) throw new SessionLost(answer);
    this.#cause = new UploadRefused(answer);
    if (!isPassing(answer.status)) throw this.#cause;
    await this.#pause(complaint(answer), answer);
  }

  async #pause(reason: string, answer?: Answer): Promise<void> {
    if (answer !== undefined) this.#cause = new UploadRefused(answer);
    if (!(await this.#patience.wait(reason, answer))) throw this.#cause;
  }

  #shrink(length: number, answer: Answer): void {
    if (!shrink(this.#options.plan, length)) throw new UploadRefused(answer);
  }

  /** @param expected the offset when the answer does not say it */
  #accept(answer: Answer, requested: URL, expected: number): void {
    const { session } = this;
    session.location = locationOf(answer, requested) ?? session.location;
    const said = offsetOf(answer) ?? expected;
    // Bytes once acknowledged stay so, and 0-0 is what a registry says of an empty session as well.
    const offset = said === 1 && expected !== 1 ? 0 : said;
    if (offset < session.offset) throw new SessionLost(answer);
    session.offset = offset;
    this.#options.onProgress?.(session);
  }
}

/** A blob small enough for one request. */
export interface WholeBlob {
  source: ChunkSource;
  /** Bytes. */
  length: number;
}

function isSuccess(answer: Answer): boolean {
  return answer.status >= 200 && answer.status < 300;
}

function read(source: ChunkSource, offset: number, length: number): () => AsyncIterable<Uint8Array> {
  return () => source.read(offset, length);
}
