/** What a copy has done so far. Counts only: a registry may be large. */

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
  readonly #verb: string;
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

  /** @param verb what became of bytes: "sent", "written" */
  constructor(verb: string, dryRun: boolean, print: (outcome: TagOutcome) => void) {
    this.#verb = verb;
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
    const bytes = `${countOf(this.manifests, "manifest")} and ${countOf(sent, "blob")} (${formatSize(this.bytes)}) ${would}${this.#verb}`;
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

/** How each outcome is told: to a program on standard output, to people beside the progress. */
export function printerOf(json: boolean, log: (line: string) => void): (outcome: TagOutcome) => void {
  if (json) return (outcome) => console.log(JSON.stringify(outcome));
  return ({ repository, tag, digest, outcome, error }) => {
    const name =
      tag === null ? (digest === null ? repository : `${repository}@${digest}`) : `${repository}:${tag}`;
    log(`${outcome.padEnd(7)}  ${name}${error === null ? "" : `  ${error}`}`);
  };
}
