/**
 * One resumable upload. It reads request bodies itself, which is what keeps the bytes that arrived before a
 * connection broke, and it never holds more than two parts of them.
 *
 * The phases of a session, each written down before the step that it names is taken:
 *
 *   open ──────────▶ storing ─────▶ committing ─────▶ committed
 *    ││  all bytes     one object     its digest is      the D1 row is written; kept
 *    ││  are here      is made of     verified; the      a while for a repeated PUT
 *    ││                the parts      D1 row follows
 *    ││                   ▼                ▲
 *    │◀────────────── reopening            │
 *    │  the body may have been cut off:    │
 *    ▼  its bytes come back                │
 *   putting ───────────────────────────────┘
 *      a whole body goes straight to the store, which verifies it
 *
 * Where there are no parts, "committing" follows upon "open", and makes the object of the tail as well.
 * A crash in "putting" loses that body, as nothing of it was acknowledged: back to "open" at offset 0.
 * A crash in "storing", "reopening" or "committing" loses nothing: the next request takes the step again.
 */

import { DurableObject } from "cloudflare:workers";
import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName } from "../../oci/reference.ts";
import { openStores, type Stores, storesOf } from "../stores.ts";
import { BodyReader } from "./body-reader.ts";
import { beyondQuota, finish, forgetPut, putWhole } from "./closing.ts";
import { stayCounted } from "./counting.ts";
import { discard, restart } from "./dropping.ts";
import { type End, Intake, type RunningHash, refusalOf } from "./intake.ts";
import {
  type AppendOutcome,
  type CancelOutcome,
  type Chunk,
  type CloseOutcome,
  type Closing,
  DEFAULT_STALL_TIMEOUT,
  type NewUpload,
  type Refusal,
  type StatusOutcome,
  type Unasked,
} from "./protocol.ts";
import { takeBack } from "./reopening.ts";
import { Upload } from "./state.ts";
import { Turns } from "./turns.ts";
import { unaskedFor } from "./unasked.ts";

/** After these a session is dropped. */
const ENDING: readonly string[] = ["unknown", "over-quota", "too-large"] satisfies CloseOutcome["kind"][];

export class UploadSession extends DurableObject<Env> {
  readonly #turns = new Turns();
  /** Lost when this object is evicted; then the finished blob is read back. */
  #running: RunningHash | null = null;

  /** Creates the session. Called with a fresh id, and again when that call's answer was lost. */
  async start(upload: NewUpload): Promise<void> {
    await this.ctx.storage.setAlarm(Upload.create(this.ctx.storage, upload).deadline);
  }

  /** How far the session is (end-13). */
  async status(repository: RepositoryName): Promise<StatusOutcome> {
    return this.#use<StatusOutcome>(repository, null, null, async ({ state: { offset } }) => {
      return { kind: "at", offset };
    });
  }

  /** Adds a chunk (end-5). */
  async append(repository: RepositoryName, chunk: Chunk): Promise<AppendOutcome> {
    return this.#use<AppendOutcome>(repository, null, chunk, async (upload, body) => {
      if (body === null || upload.state.phase !== "open") return { kind: "closing" };
      const { offset } = upload.state;
      if (chunk.range !== null && chunk.range.offset !== offset) return { kind: "out-of-order", offset };
      upload.becomeChunked();
      const refused = await this.#receive(upload, chunk, body, null);
      if (refused !== null && ENDING.includes(refused.kind)) await this.#discard(upload);
      return refused ?? { kind: "accepted", offset: upload.state.offset };
    });
  }

  /** Closes the session with its last bytes, if any, as the blob `digest` (end-6). Can be repeated. */
  async close(repository: RepositoryName, { digest, chunk, by }: Closing): Promise<CloseOutcome> {
    return this.#use<CloseOutcome>(repository, digest, chunk, async (upload, body) => {
      const { phase } = upload.state;
      // After the bytes were complete, a body is one that was taken in before.
      const refused =
        phase === "open" && chunk !== null && body !== null
          ? await this.#takeLast(upload, digest, chunk, body)
          : null;
      const interrupted = phase === "committing";
      const outcome = refused ?? (await finish(this.#stores(upload), upload, { digest, by, interrupted }));
      if (outcome.kind === "mismatch") await this.#afterMismatch(upload);
      else if (ENDING.includes(outcome.kind)) await this.#discard(upload);
      return outcome;
    });
  }

  /** Drops the session and its bytes (end-14). */
  async cancel(repository: RepositoryName): Promise<CancelOutcome> {
    return this.#turns.take(async () => {
      const upload = this.#load(repository);
      if (upload !== null) await this.#discard(upload);
      return { kind: upload === null ? "unknown" : "cancelled" };
    });
  }

  /**
   * The session may have been idle for too long, or is to be dropped still. Set when it begins, and again by this:
   * use makes it come too early, and costs nothing.
   */
  override async alarm(): Promise<void> {
    const upload = Upload.load(this.ctx.storage);
    if (upload === null) return;
    // A long body is use.
    if (this.#turns.busy) return this.ctx.storage.setAlarm(Date.now() + upload.state.expiresAfter);
    await this.#turns.take(async () => {
      if (upload.state.discarding || upload.deadline <= Date.now()) await this.#discard(upload);
      else await this.ctx.storage.setAlarm(upload.deadline);
    });
  }

  /**
   * Gives a request its turn on a live session, and reads its body to the end whatever comes of it.
   * @param closing what the request closes the session as; null when it does not
   */
  #use<T>(
    repository: RepositoryName,
    closing: Digest | null,
    chunk: Chunk | null,
    work: (upload: Upload, body: BodyReader | null) => Promise<T>,
  ): Promise<T | Unasked> {
    return this.#turns.take(async () => {
      const upload = this.#load(repository, closing);
      const body = chunk && new BodyReader(chunk.body);
      const timeout = upload?.state.stallTimeout ?? DEFAULT_STALL_TIMEOUT;
      const unwatch = body?.giveWay(timeout, 1, () => this.#turns.crowded);
      try {
        return upload === null ? { kind: "unknown" } : await this.#attempt(upload, () => work(upload, body));
      } finally {
        await body?.drain();
        unwatch?.();
      }
    });
  }

  /** Takes up what was interrupted, then does the work; both count as use of the session. */
  async #attempt<T>(upload: Upload, work: () => Promise<T>): Promise<T | Unasked> {
    try {
      if (upload.state.phase === "putting") await forgetPut(this.#stores(upload), upload);
      if (upload.state.phase === "reopening") await this.#takeBack(upload);
      if (upload.state.discarding) return { kind: "unknown" };
      return await work();
    } catch (error) {
      return unaskedFor(error);
    } finally {
      await this.#touch(upload);
    }
  }

  /**
   * A live session of this repository, else null. A closed one lives only for the PUT that closed it, repeated.
   */
  #load(repository: RepositoryName, closing: Digest | null = null): Upload | null {
    const upload = Upload.load(this.ctx.storage);
    if (upload === null || upload.state.repository !== repository || upload.state.discarding) return null;
    // The repository has been moved since: what is here would come too late.
    if (upload.state.database !== storesOf(this.env, repository).name) return null;
    if (upload.state.phase === "committed" && upload.state.closedAs !== closing) return null;
    return upload;
  }

  /** Notes that the session is in use, unless it has been dropped. */
  async #touch(upload: Upload): Promise<void> {
    if (upload.state.discarding) return;
    upload.touch();
    // One that kept failing is given up by the platform.
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(upload.deadline);
    await stayCounted(this.#stores(upload), upload);
  }

  /** The last bytes of an open session, or all of them. @returns null when they were taken in */
  async #takeLast(
    upload: Upload,
    digest: Digest,
    chunk: Chunk,
    body: BodyReader,
  ): Promise<CloseOutcome | null> {
    const { offset, chunked } = upload.state;
    if (chunk.range !== null) {
      if (chunk.range.offset !== offset) return { kind: "out-of-order", offset };
      upload.becomeChunked();
    } else if (!chunked && offset > 0) {
      // The whole body again, after a PUT that broke off: containerd does that.
      await restart(this.#stores(upload), upload);
    }
    const { length } = chunk;
    if (upload.state.offset === 0 && length !== null && length <= this.#stores(upload).objects.can.maxPut) {
      return putWhole(this.#stores(upload), upload, digest, body, length);
    }
    const refused = await this.#receive(upload, chunk, body, digest);
    if (refused === null && length === null) upload.mayBeCut();
    return refused;
  }

  /** @param digest null when it is not known yet @returns null when the body was taken in to its end */
  async #receive(
    upload: Upload,
    chunk: Chunk,
    body: BodyReader,
    digest: Digest | null,
  ): Promise<Refusal | null> {
    const exceeded = await beyondQuota(this.#stores(upload), upload, digest, chunk);
    return exceeded ?? refusalOf(await this.#takeIn(upload, chunk, body), upload);
  }

  async #takeIn(upload: Upload, chunk: Pick<Chunk, "length" | "range">, body: BodyReader): Promise<End> {
    const intake = new Intake(this.#stores(upload).objects, upload, chunk, body, this.#running);
    this.#running = null;
    const end = await intake.run();
    this.#running = intake.running;
    return end;
  }

  /** A body of unknown length that was cut off can look complete: then its bytes are the client's to go on from. */
  async #afterMismatch(upload: Upload): Promise<void> {
    if (!upload.state.perhapsCut) return this.#discard(upload);
    if (upload.state.phase !== "storing") return;
    upload.beginReopening();
    await this.#takeBack(upload);
  }

  async #takeBack(upload: Upload): Promise<void> {
    const takeIn = (body: BodyReader) => this.#takeIn(upload, { length: null, range: null }, body);
    if (!(await takeBack(this.#stores(upload), upload, takeIn))) await this.#discard(upload);
  }

  #stores({ state }: Upload): Stores {
    return openStores(this.env, state.database);
  }

  async #discard(upload: Upload): Promise<void> {
    this.#running = null;
    await discard(this.#stores(upload), this.ctx.storage, upload);
  }
}
