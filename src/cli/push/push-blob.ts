/** Brings one blob to the registry: not at all if it is there, else by mount, or by a session old or new. */

import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName } from "../../oci/reference.ts";
import { badInput, Failure } from "../failure.ts";
import { complaint, hasErrorCode } from "../http/complaint.ts";
import { isPassing } from "../http/retry.ts";
import { planChunks } from "../upload/chunk-plan.ts";
import type { ChunkSource } from "../upload/chunk-source.ts";
import { ChunkUploader } from "../upload/chunk-uploader.ts";
import { SessionLost, UploadRefused } from "../upload/refusal.ts";
import { type ChunkLimits, NO_LIMITS } from "../upload/session.ts";
import { shorten } from "./image.ts";
import type { Registry, StartedUpload } from "./registry.ts";
import type { SavedSessions } from "./saved-sessions.ts";

/** What is to be a blob of the registry. */
export interface PushedBlob {
  digest: Digest;
  /** Bytes. */
  size: number;
  source: ChunkSource;
  /** Makes sure, before anything is sent, of bytes that can be read twice. @throws Failure when they are others */
  verify(): Promise<void>;
}

export interface PushSettings {
  /** Bytes. */
  chunk: number;
  /** The largest request body that gets through. Bytes. */
  maxBody: number;
  /** Where the registry may already have the blobs: a repository, or any; null where none is asked for. */
  mountFrom: RepositoryName | "anywhere" | null;
  log: (line: string) => void;
}

/** What became of a blob. */
export interface BlobOutcome {
  kind: "exists" | "mounted" | "sent";
  /** Bytes that went over the wire. */
  sent: number;
  /** Bytes that an interrupted push had left there. */
  resumed: number;
}

/** How often a blob begins anew after the registry has lost its session. */
const MAX_SESSIONS = 3;

/** @param onProgress how many bytes of the blob the registry has */
export async function pushBlob(
  registry: Registry,
  blob: PushedBlob,
  settings: PushSettings,
  sessions: SavedSessions,
  onProgress: (bytes: number) => void,
): Promise<BlobOutcome> {
  if (await registry.blobExists(blob.digest)) return { kind: "exists", sent: 0, resumed: 0 };
  // Found out here, a damaged archive costs no upload.
  await blob.verify();
  let started: StartedUpload | null = null;
  if (settings.mountFrom !== null) {
    const { mountFrom } = settings;
    started = await registry.mount(blob.digest, mountFrom === "anywhere" ? null : mountFrom);
    if (started === null) return { kind: "mounted", sent: 0, resumed: 0 };
  }
  const sender = new BlobSender(registry, blob, settings, sessions, onProgress);
  return (await sender.resume()) ?? (await sender.send(started));
}

class BlobSender {
  readonly #registry: Registry;
  readonly #blob: PushedBlob;
  readonly #settings: PushSettings;
  readonly #sessions: SavedSessions;
  readonly #onProgress: (bytes: number) => void;

  constructor(
    registry: Registry,
    blob: PushedBlob,
    settings: PushSettings,
    sessions: SavedSessions,
    onProgress: (bytes: number) => void,
  ) {
    this.#registry = registry;
    this.#blob = blob;
    this.#settings = settings;
    this.#sessions = sessions;
    this.#onProgress = onProgress;
  }

  /**
   * Goes on with a session that an interrupted push has left.
   * @returns null when that cannot be, and a new one is to begin
   */
  async resume(): Promise<BlobOutcome | null> {
    const { digest } = this.#blob;
    const location = await this.#sessions.load(digest);
    if (location === null || location.origin !== this.#registry.origin.origin) return null;
    const uploader = this.#uploader(location, NO_LIMITS);
    let left = 0;
    try {
      await uploader.readStatus();
      left = uploader.session.offset;
      return await this.#finish(uploader);
    } catch (error) {
      if (!(error instanceof UploadRefused)) throw error;
      if (isHopeless(error)) await this.#sessions.forget(digest);
      // Not forgotten yet: a registry that is away begins no new one either, and this one may be sound.
      else if (isBroken(error) && uploader.session.offset === left)
        this.#beginAgain("what an earlier push began fails every time");
      else throw this.#failure(error);
      return null;
    }
  }

  /** @param started a session to begin with, if there is one already */
  async send(started: StartedUpload | null): Promise<BlobOutcome> {
    const { digest } = this.#blob;
    for (let count = 1; ; count += 1) {
      const { location, limits } = (count === 1 ? started : null) ?? (await this.#registry.startUpload());
      await this.#sessions.save(digest, location);
      this.#onProgress(0);
      try {
        return await this.#finish(this.#uploader(location, limits));
      } catch (error) {
        if (!(error instanceof UploadRefused)) throw error;
        if (isHopeless(error)) await this.#sessions.forget(digest);
        if (!(error instanceof SessionLost) || count === MAX_SESSIONS) throw this.#failure(error);
        this.#beginAgain("the registry lost the upload");
      }
    }
  }

  #beginAgain(reason: string): void {
    this.#settings.log(`${shorten(this.#blob.digest)}: ${reason}; beginning again`);
  }

  async #finish(uploader: ChunkUploader): Promise<BlobOutcome> {
    const { digest, size, source } = this.#blob;
    const resumed = uploader.session.offset;
    const fitsOne = size <= uploader.chunkSize && resumed === 0;
    if (!fitsOne) await uploader.sendAll(source);
    const exists = () => this.#registry.blobExists(digest);
    await uploader.close(digest, exists, fitsOne ? { source, length: size } : undefined);
    await this.#sessions.forget(digest);
    this.#onProgress(size);
    return { kind: "sent", sent: size - resumed, resumed };
  }

  #uploader(location: URL, limits: ChunkLimits): ChunkUploader {
    const { digest } = this.#blob;
    const { chunk, maxBody, log } = this.#settings;
    return new ChunkUploader(
      (request) => this.#registry.send(request),
      { location, offset: 0 },
      {
        plan: planChunks(chunk, maxBody, limits),
        pauses: this.#registry.pauses,
        onPause: (pause, reason) => {
          log(`${shorten(digest)}: ${reason}; trying again in ${pause / 1000} s`);
        },
        onProgress: (session) => {
          this.#onProgress(session.offset);
          void this.#sessions.save(digest, session.location);
        },
      },
    );
  }

  #failure({ answer }: UploadRefused): Failure {
    const what = `${this.#registry.origin.host} refuses ${shorten(this.#blob.digest)}: ${complaint(answer)}.`;
    if (hasErrorCode(answer, "DIGEST_INVALID")) return badInput(`${what} Did its source change meanwhile?`);
    if (answer.status === 413) return new Failure(`${what} Try a smaller --chunk.`);
    if (answer.status === 507 || answer.status === 500) {
      return new Failure(`${what} Is its storage full? Run the same command again to go on.`);
    }
    return new Failure(`${what} Run the same command again to go on.`);
  }
}

/** Whether all patience was met with faults of the registry's own. A full disk (507) is not the session's fault. */
function isBroken({ answer }: UploadRefused): boolean {
  return answer.status >= 500 && isPassing(answer.status);
}

/** Whether the session can never become the blob. Any other one is kept for the next push. */
function isHopeless(error: UploadRefused): boolean {
  return error instanceof SessionLost || hasErrorCode(error.answer, "DIGEST_INVALID");
}
