/** What an import has done so far. Counts only: a registry may be large. */

import { formatSize } from "../size.ts";

export interface TagOutcome {
  repository: string;
  /** Null for what concerns the whole repository. */
  tag: string | null;
  digest: string | null;
  outcome: "copied" | "present" | "failed";
  error: string | null;
}

export class Report {
  readonly #dryRun: boolean;
  readonly #print: (outcome: TagOutcome) => void;
  readonly tags = { copied: 0, present: 0, failed: 0 };
  manifests = 0;
  /** Of manifests that were not there. */
  readonly blobs = { sent: 0, mounted: 0, present: 0 };
  /** That were sent. */
  bytes = 0;
  /** That an interrupted import had left there. */
  resumed = 0;

  constructor(dryRun: boolean, print: (outcome: TagOutcome) => void) {
    this.#dryRun = dryRun;
    this.#print = print;
  }

  add(outcome: TagOutcome): void {
    this.tags[outcome.outcome] += 1;
    this.#print(outcome);
  }

  get document() {
    const { tags, manifests, blobs, bytes, resumed } = this;
    return { dryRun: this.#dryRun, tags, manifests, blobs, bytes, resumed };
  }

  get summary(): string {
    const { copied, present, failed } = this.tags;
    const { sent, mounted } = this.blobs;
    const would = this.#dryRun ? "would be " : "";
    const parts = [
      `${countOf(copied, "tag")} ${would}copied`,
      `${present} ${present === 1 ? "was" : "were"} there`,
      ...(failed > 0 ? [`${failed} failed`] : []),
    ];
    const bytes = `${countOf(this.manifests, "manifest")} and ${countOf(sent, "blob")} (${formatSize(this.bytes)}) ${this.#dryRun ? "would be sent" : "sent"}`;
    const rest = [
      ...(mounted > 0 ? [`${countOf(mounted, "blob")} mounted`] : []),
      ...(this.resumed > 0 ? [`${formatSize(this.resumed)} were left from before`] : []),
    ];
    return `${parts.join(", ")}; ${[bytes, ...rest].join(", ")}.`;
  }
}

function countOf(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
