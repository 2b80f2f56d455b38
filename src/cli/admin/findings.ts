/** What a scrub has found so far. */

import { formatSize } from "../size.ts";

export interface Damaged {
  repository: string;
  digest: string;
  tags: string[];
  /** Digests. */
  missing: string[];
}

/** What the registry answers for one page. */
export interface Page {
  /** Where the next page begins; null after the last one. */
  next: string | null;
  phase: string;
  /** How many things this page has looked at. */
  checked: number;
  bytes: number;
  healed: { kind: string; digest: string; detail: string }[];
  /** The key is null where the bytes are in the database. */
  quarantined: { kind: string; digest: string; objectKey: string | null; detail: string }[];
  missing: { kind: string; digest: string }[];
  damaged: Damaged[];
}

const KINDS = ["healed", "quarantined", "missing", "damaged"] as const;

export class Findings {
  checked = 0;
  bytes = 0;
  readonly #counts = { healed: 0, quarantined: 0, missing: 0, damaged: 0 };
  /** Kept only for a document. */
  readonly #kept: Pick<Page, (typeof KINDS)[number]> = {
    healed: [],
    quarantined: [],
    missing: [],
    damaged: [],
  };

  /** @returns what the page has found, a line each */
  add(page: Page, keep: boolean): string[] {
    this.checked += page.checked;
    this.bytes += page.bytes;
    for (const kind of KINDS) this.#counts[kind] += page[kind].length;
    if (keep) {
      this.#kept.healed.push(...page.healed);
      this.#kept.quarantined.push(...page.quarantined);
      this.#kept.missing.push(...page.missing);
      this.#kept.damaged.push(...page.damaged);
    }
    return linesOf(page);
  }

  /** Whether nothing needs anybody's attention. */
  get isWell(): boolean {
    const { quarantined, missing, damaged } = this.#counts;
    return quarantined + missing + damaged === 0;
  }

  get summary(): string {
    const counts = KINDS.map((kind) => `${this.#counts[kind]} ${kind}`);
    return `${this.checked} checked (${formatSize(this.bytes)}): ${counts.join(", ")}.`;
  }

  get document() {
    return { checked: this.checked, bytes: this.bytes, ...this.#kept };
  }
}

function linesOf({ healed, quarantined, missing, damaged }: Page): string[] {
  return [
    ...healed.map(({ kind, digest, detail }) => `healed       ${kind}  ${digest}  ${detail}`),
    ...quarantined.map(
      ({ kind, digest, objectKey, detail }) =>
        `quarantined  ${kind}  ${digest}  ${detail}${objectKey === null ? "" : ` (${objectKey})`}`,
    ),
    ...missing.map(({ kind, digest }) => `missing      ${kind}  ${digest}`),
    ...damaged.map(({ repository, digest, tags, missing }) => {
      const name =
        tags.length === 0 ? `${repository}@${digest}` : `${repository}:${tags.join(", :")} (${digest})`;
      return `damaged      ${name} lacks ${missing.join(", ")}`;
    }),
  ];
}
