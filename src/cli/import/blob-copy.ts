/** Brings blobs of one repository from one registry to another: not if they are there, by mount where that can be. */

import type { Digest } from "../../oci/digest.ts";
import type { Gate } from "../at-once.ts";
import type { NamedBlob } from "../pull/manifest.ts";
import { RemoteBlob } from "../pull/remote-blob.ts";
import type { Report } from "../pull/report.ts";
import type { Progress, ProgressLine } from "../push/progress.ts";
import { type BlobOutcome, type PushSettings, pushBlob } from "../push/push-blob.ts";
import type { Registry } from "../push/registry.ts";
import type { SavedSessions } from "../push/saved-sessions.ts";

/** What all repositories of an import share. */
export interface ImportSettings extends Omit<PushSettings, "mountFrom"> {
  dryRun: boolean;
  /** How many blobs are under way at a time. */
  gate: Gate;
  progress: Progress;
  report: Report;
}

export class BlobCopy {
  readonly #from: Registry;
  readonly #to: Registry;
  readonly #settings: ImportSettings;
  readonly #sessions: SavedSessions;
  /** Images share layers: one that is wanted twice at a time is brought once. */
  readonly #underWay = new Map<Digest, Promise<void>>();

  constructor(from: Registry, to: Registry, settings: ImportSettings, sessions: SavedSessions) {
    this.#from = from;
    this.#to = to;
    this.#settings = settings;
    this.#sessions = sessions;
  }

  /** @throws Failure, ConnectionFailure */
  copy(blob: NamedBlob): Promise<void> {
    const { gate, dryRun } = this.#settings;
    let copying = this.#underWay.get(blob.digest);
    if (copying === undefined) {
      const work = () => (dryRun ? this.#compare(blob) : this.#bring(blob));
      copying = gate.run(work).finally(() => this.#underWay.delete(blob.digest));
      this.#underWay.set(blob.digest, copying);
    }
    return copying;
  }

  async #compare({ digest, size, elsewhere }: NamedBlob): Promise<void> {
    const { report } = this.#settings;
    if (await this.#to.blobExists(digest)) report.blobs.present += 1;
    else if (!elsewhere) {
      report.blobs.sent += 1;
      report.bytes += size;
    }
  }

  async #bring({ digest, size, elsewhere }: NamedBlob): Promise<void> {
    // Layers with urls are seldom in the registry itself.
    if (elsewhere && !(await this.#from.blobExists(digest))) return;
    const { progress } = this.#settings;
    const source = new RemoteBlob(this.#from, digest, size);
    let line: ProgressLine | null = null;
    const onProgress = (bytes: number) => {
      line ??= progress.begin(digest, size);
      line.update(bytes);
    };
    try {
      const blob = { digest, size, source, verify: async () => {} };
      const settings = { ...this.#settings, mountFrom: "anywhere" as const };
      const outcome = await pushBlob(this.#to, blob, settings, this.#sessions, onProgress);
      this.#count(outcome);
      (line as ProgressLine | null)?.end(outcome);
    } catch (error) {
      (line as ProgressLine | null)?.drop();
      throw error;
    } finally {
      source.close();
    }
  }

  #count({ kind, sent, resumed }: BlobOutcome): void {
    const { report } = this.#settings;
    report.blobs[kind === "exists" ? "present" : kind] += 1;
    report.bytes += sent;
    report.resumed += resumed;
  }
}
