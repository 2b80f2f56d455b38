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
import type { Algorithm, Digest } from "../oci/digest.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { MAX_PUT_SIZE } from "./objects.ts";
import { Turns } from "./turns.ts";
import {
  discardBytes,
  drain,
  finish,
  isCollected,
  putWhole,
  reopen,
  restart,
  type Upload,
} from "./upload-closing.ts";
import { Intake, type RunningHash } from "./upload-intake.ts";
import type { AppendOutcome, Chunk, CloseOutcome, Refusal } from "./upload-outcomes.ts";
import { type UploadState, UploadStore } from "./upload-state.ts";

/** How long a closed session remembers, for a repeated PUT. Milliseconds. */
const COMMITTED_MEMORY = 60 * 60 * 1000;

/** When dropping an expired session is tried again after it failed. Milliseconds. */
const DISCARD_RETRY = 60 * 60 * 1000;

export interface NewUpload {
  repository: RepositoryName;
  algorithm: Algorithm;
  /** Milliseconds. */
  expiresAfter: number;
  /** Milliseconds. */
  stallTimeout: number;
}

export class UploadSession extends DurableObject<Env> {
  readonly #store = new UploadStore(this.ctx.storage);
  readonly #turns = new Turns();
  /** Lost when this object is evicted; then the finished blob is read back. */
  #running: RunningHash | null = null;
  /** The body that is being read. */
  #intake: Intake | null = null;

  /** Creates the session. Called once, with a fresh id. */
  async start(upload: NewUpload): Promise<void> {
    const state: UploadState = {
      ...upload,
      usedAt: Date.now(),
      phase: "open",
      offset: 0,
      digest: null,
      chunked: false,
      objectKey: null,
      multipartId: null,
      partCount: 0,
      closedAs: null,
    };
    this.#store.save(state);
    await this.ctx.storage.setAlarm(state.usedAt + state.expiresAfter);
  }

  /** How many bytes are kept; null when there is no such session. */
  async offset(repository: RepositoryName): Promise<number | null> {
    return this.#turn(async () => this.#load(repository)?.state.offset ?? null);
  }

  /** Adds a chunk (end-5). */
  async append(repository: RepositoryName, chunk: Chunk): Promise<AppendOutcome> {
    return this.#turn(async () => {
      const upload = this.#load(repository);
      if (upload === null) return { kind: "unknown" };
      const { state } = upload;
      await this.#touch(state);
      if (state.phase === "putting") await reopen(upload);
      if (state.phase !== "open") return { kind: "closing" };
      if (chunk.range !== null && chunk.range.offset !== state.offset) {
        return { kind: "out-of-order", offset: state.offset };
      }
      state.chunked = true;
      return (await this.#receive(upload, chunk)) ?? { kind: "accepted", offset: state.offset };
    });
  }

  /** Closes the session with its last bytes, if any, as the blob `digest` (end-6). Can be repeated. */
  async close(repository: RepositoryName, digest: Digest, chunk: Chunk | null): Promise<CloseOutcome> {
    return this.#turn(async () => {
      const upload = this.#load(repository, digest);
      if (upload === null) return { kind: "unknown" };
      await this.#touch(upload.state);
      if (upload.state.phase === "putting") await reopen(upload);
      if (await isCollected(upload)) return { kind: "unknown" };
      // After the bytes were complete, a body is one that was taken in before.
      if (upload.state.phase !== "open") await drain(chunk);
      const refusal =
        upload.state.phase === "open" && chunk !== null ? await this.#takeLast(upload, digest, chunk) : null;
      const outcome = refusal ?? (await finish(upload, digest));
      if (outcome.kind === "mismatch") await this.#discard(upload);
      if (outcome.kind === "committed") await this.ctx.storage.setAlarm(Date.now() + COMMITTED_MEMORY);
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

  /** The session may have been idle for too long. */
  override async alarm(): Promise<void> {
    await this.#turn(async () => {
      const state = this.#store.load();
      if (state === null) return;
      const deadline = state.usedAt + (state.phase === "committed" ? COMMITTED_MEMORY : state.expiresAfter);
      // Should R2 fail for longer than the runtime repeats an alarm, the next one tries again.
      await this.ctx.storage.setAlarm(Math.max(deadline, Date.now() + DISCARD_RETRY));
      if (deadline <= Date.now()) await this.#discard(this.#upload(state));
    });
  }

  /**
   * A live session of this repository, else null. A closed one lives only for the PUT that closed it, repeated.
   */
  #load(repository: RepositoryName, closing?: Digest): Upload | null {
    const state = this.#store.load();
    if (state === null || state.repository !== repository) return null;
    if (state.phase === "committed" && state.closedAs !== closing) return null;
    return this.#upload(state);
  }

  #upload(state: UploadState): Upload {
    return { env: this.env, store: this.#store, state };
  }

  async #touch(state: UploadState): Promise<void> {
    state.usedAt = Date.now();
    await this.ctx.storage.setAlarm(state.usedAt + state.expiresAfter);
  }

  /** The last bytes of an open session, or all of them. @returns null when they were taken in */
  async #takeLast(upload: Upload, digest: Digest, chunk: Chunk): Promise<CloseOutcome | null> {
    const { state } = upload;
    if (chunk.range !== null) {
      if (chunk.range.offset !== state.offset) return { kind: "out-of-order", offset: state.offset };
      state.chunked = true;
    } else if (!state.chunked && state.offset > 0) {
      // The whole body again, after a PUT that broke off: containerd does that.
      await restart(upload);
    }
    if (state.offset === 0 && chunk.length !== null && chunk.length <= MAX_PUT_SIZE) {
      return putWhole(upload, digest, chunk.body, chunk.length);
    }
    return this.#receive(upload, chunk);
  }

  /** @returns null when the body was taken in to its end */
  async #receive(upload: Upload, chunk: Chunk): Promise<Refusal | null> {
    const { state } = upload;
    const intake = new Intake(this.env.BUCKET, this.#store, state, chunk, this.#running);
    this.#running = null;
    this.#intake = intake;
    try {
      const end = await intake.run();
      this.#running = intake.running;
      if (end === "complete") return null;
      if (end !== "too-large") return { kind: end, offset: state.offset };
      await this.#discard(upload);
      return { kind: end };
    } finally {
      this.#intake = null;
    }
  }

  async #discard(upload: Upload): Promise<void> {
    await discardBytes(upload);
    this.#running = null;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  /**
   * One request at a time. A body that has gone silent, as one of a client that vanished, gives way to the
   * request that waits behind it.
   */
  #turn<T>(work: () => Promise<T>): Promise<T> {
    const state = this.#store.load();
    if (!this.#turns.busy || state === null) return this.#turns.take(work);
    let watched = this.#intake;
    let received = watched?.received;
    const watchdog = setInterval(() => {
      if (this.#intake !== null && this.#intake === watched && watched.received === received) watched.stop();
      watched = this.#intake;
      received = watched?.received;
    }, state.stallTimeout);
    return this.#turns.take(() => {
      clearInterval(watchdog);
      return work();
    });
  }
}
