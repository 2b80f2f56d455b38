/**
 * One resumable upload. It reads request bodies itself, which is what keeps the bytes that arrived before a
 * connection broke, and it never holds more than two parts of them.
 *
 * The phases of a session, each written down before the step that it names is taken:
 *
 *   open ──────────▶ storing ─────▶ committing ─────▶ committed
 *     │  all bytes     the object     its digest is      the D1 row is written; kept
 *     │  are here      is made        verified; the      a while for a repeated PUT
 *     ▼                               D1 row follows
 *   putting ─────────────────────────────▲
 *      a whole body goes straight to R2, which verifies it
 *
 * A crash in "putting" loses that body, as nothing of it was acknowledged: back to "open" at offset 0.
 * A crash in "storing" or "committing" loses nothing: the repeated closing PUT takes the step again.
 */

import { DurableObject } from "cloudflare:workers";
import type { Digest } from "../oci/digest.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { BodyReader } from "./body-reader.ts";
import { MAX_PUT_SIZE } from "./objects.ts";
import { Turns } from "./turns.ts";
import {
  discardBytes,
  finish,
  isCollected,
  putWhole,
  reopen,
  restart,
  type Upload,
} from "./upload-closing.ts";
import { Intake, type RunningHash } from "./upload-intake.ts";
import type { AppendOutcome, Chunk, CloseOutcome, Refusal } from "./upload-outcomes.ts";
import { type NewUpload, newState, type UploadState, UploadStore } from "./upload-state.ts";

/** How long a closed session remembers, for a repeated PUT. Milliseconds. */
const COMMITTED_MEMORY = 60 * 60 * 1000;

/** When dropping a session is tried again after it failed. Milliseconds. */
const DISCARD_RETRY = 10 * 60 * 1000;

/** For a request that finds no session any more. Milliseconds. */
const DEFAULT_STALL_TIMEOUT = 30_000;

export class UploadSession extends DurableObject<Env> {
  readonly #store = new UploadStore(this.ctx.storage);
  readonly #turns = new Turns();
  /** Lost when this object is evicted; then the finished blob is read back. */
  #running: RunningHash | null = null;

  /** Creates the session. Called once, with a fresh id. */
  async start(upload: NewUpload): Promise<void> {
    const state = newState(upload, Date.now());
    this.#store.save(state);
    await this.ctx.storage.setAlarm(state.usedAt + state.expiresAfter);
  }

  /** How many bytes are kept; null when there is no such session. */
  async offset(repository: RepositoryName): Promise<number | null> {
    return this.#turn(async () => this.#load(repository)?.state.offset ?? null);
  }

  /** Adds a chunk (end-5). */
  async append(repository: RepositoryName, chunk: Chunk): Promise<AppendOutcome> {
    return this.#use<AppendOutcome>(repository, null, chunk, async (upload, body) => {
      const { state } = upload;
      if (body === null || state.phase !== "open") return { kind: "closing" };
      if (chunk.range !== null && chunk.range.offset !== state.offset) {
        return { kind: "out-of-order", offset: state.offset };
      }
      state.chunked = true;
      return (await this.#receive(upload, chunk, body)) ?? { kind: "accepted", offset: state.offset };
    });
  }

  /** Closes the session with its last bytes, if any, as the blob `digest` (end-6). Can be repeated. */
  async close(repository: RepositoryName, digest: Digest, chunk: Chunk | null): Promise<CloseOutcome> {
    return this.#use<CloseOutcome>(repository, digest, chunk, async (upload, body) => {
      const { state } = upload;
      if (await isCollected(upload)) return { kind: "unknown" };
      // After the bytes were complete, a body is one that was taken in before.
      const taken =
        state.phase === "open" && chunk !== null && body !== null
          ? await this.#takeLast(upload, digest, chunk, body)
          : null;
      const outcome = taken ?? (await finish(upload, digest));
      // A body of unknown length that was cut off can look complete: then its bytes are the client's to go on from.
      const perhapsCut = chunk?.length === null && state.phase === "open";
      if (outcome.kind === "mismatch" && !perhapsCut) await this.#discard(upload);
      return outcome;
    });
  }

  /** Drops the session and its bytes (end-14). @returns false when there is no such session */
  async cancel(repository: RepositoryName): Promise<boolean> {
    return this.#turn(async () => {
      const upload = this.#load(repository);
      if (upload === null) return false;
      await this.#discard(upload);
      return true;
    });
  }

  /** The session may have been idle for too long, or is to be dropped still. */
  override async alarm(): Promise<void> {
    const state = this.#store.load();
    if (state === null) return;
    // A long body is use: the request sets the next alarm when it ends.
    if (this.#turns.busy) return this.ctx.storage.setAlarm(Date.now() + lifetimeOf(state));
    await this.#turn(async () => {
      const deadline = state.usedAt + lifetimeOf(state);
      if (state.discarding || deadline <= Date.now()) await this.#discard(this.#upload(state));
      else await this.ctx.storage.setAlarm(deadline);
    });
  }

  /** Gives a request its turn on a live session, and reads its body to the end whatever comes of it. */
  #use<T>(
    repository: RepositoryName,
    closing: Digest | null,
    chunk: Chunk | null,
    work: (upload: Upload, body: BodyReader | null) => Promise<T>,
  ): Promise<T | { kind: "unknown" }> {
    return this.#turn(async () => {
      const body = chunk && new BodyReader(chunk.body);
      this.#turns.body = body;
      try {
        const upload = this.#load(repository, closing);
        if (upload === null) return { kind: "unknown" };
        if (upload.state.phase === "putting") await reopen(upload);
        try {
          return await work(upload, body);
        } finally {
          await this.#touch(upload.state);
        }
      } finally {
        await body?.drain();
        this.#turns.body = null;
      }
    });
  }

  /**
   * A live session of this repository, else null. A closed one lives only for the PUT that closed it, repeated.
   */
  #load(repository: RepositoryName, closing: Digest | null = null): Upload | null {
    const state = this.#store.load();
    if (state === null || state.repository !== repository || state.discarding) return null;
    if (state.phase === "committed" && state.closedAs !== closing) return null;
    return this.#upload(state);
  }

  #upload(state: UploadState): Upload {
    return { env: this.env, store: this.#store, state };
  }

  /** Notes that the session is in use, unless it has been dropped. */
  async #touch(state: UploadState): Promise<void> {
    if (state.discarding) return;
    state.usedAt = Date.now();
    this.#store.save(state);
    await this.ctx.storage.setAlarm(state.usedAt + lifetimeOf(state));
  }

  /** The last bytes of an open session, or all of them. @returns null when they were taken in */
  async #takeLast(
    upload: Upload,
    digest: Digest,
    chunk: Chunk,
    body: BodyReader,
  ): Promise<CloseOutcome | null> {
    const { state } = upload;
    if (chunk.range !== null) {
      if (chunk.range.offset !== state.offset) return { kind: "out-of-order", offset: state.offset };
      state.chunked = true;
    } else if (!state.chunked && state.offset > 0) {
      // The whole body again, after a PUT that broke off: containerd does that.
      await restart(upload);
    }
    if (state.offset === 0 && chunk.length !== null && chunk.length <= MAX_PUT_SIZE) {
      // A multipart upload that never got its first part is in the way.
      if (state.multipartId !== null) await restart(upload);
      return putWhole(upload, digest, body, chunk.length);
    }
    return this.#receive(upload, chunk, body);
  }

  /** @returns null when the body was taken in to its end */
  async #receive(upload: Upload, chunk: Chunk, body: BodyReader): Promise<Refusal | null> {
    const { state } = upload;
    const intake = new Intake(this.env.BUCKET, this.#store, state, chunk, body, this.#running);
    this.#running = null;
    const end = await intake.run();
    this.#running = intake.running;
    if (end === "complete") return null;
    if (end !== "too-large") return { kind: end, offset: state.offset };
    await this.#discard(upload);
    return { kind: end };
  }

  /** Drops the session: at once for every client, and its bytes by repeated alarms until R2 has let go of them. */
  async #discard(upload: Upload): Promise<void> {
    upload.state.discarding = true;
    this.#store.save(upload.state);
    this.#running = null;
    await this.ctx.storage.setAlarm(Date.now() + DISCARD_RETRY);
    try {
      await discardBytes(upload);
    } catch (error) {
      console.warn(JSON.stringify({ event: "upload-not-discarded", error: String(error) }));
      return;
    }
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  #turn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.take(this.#store.load()?.stallTimeout ?? DEFAULT_STALL_TIMEOUT, work);
  }
}

/** How long a session lies idle before it is dropped. Milliseconds. */
function lifetimeOf({ phase, expiresAfter }: UploadState): number {
  return phase === "committed" ? COMMITTED_MEMORY : expiresAfter;
}
