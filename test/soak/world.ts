/** What the soak knows to be true: every manifest that was answered 201 and not deleted must pull whole. */

import { sha256 } from "../support/content.ts";

/** Two of them in one segment, for those that have a database for each. */
export const REPOSITORIES = ["soak/a", "soak/b", "soak-c/c"] as const;

/** Layers that pushers choose from, so that images overlap. */
const LAYERS = 60;

/** Of them every so many is larger than a part of an R2 multipart upload. */
const LARGE_EVERY = 12;
const LARGE = 9 * 1024 ** 2;

export interface Image {
  repository: string;
  digest: string;
  text: string;
  blobs: string[];
  /** Somebody works on it: nobody deletes it meanwhile. */
  users: number;
}

export class World {
  /** Where a repository lies: what vanishes from one database, others still have. */
  readonly databaseOf: (repository: string) => string;
  readonly images = new Set<Image>();
  readonly losses: string[] = [];
  readonly counts = {
    pushes: 0,
    pulls: 0,
    deletions: 0,
    retags: 0,
    aborts: 0,
    mounts: 0,
    skipped: 0,
    tooSlow: 0,
    overtaken: 0,
    vanished: 0,
    resets: 0,
    refusals: 0,
  };
  readonly collections = { runs: 0, objects: 0, bytes: 0, failures: 0 };
  /** Sessions that are being uploaded to. The oldest go first. */
  readonly sessions = new Set<string>();
  /** By database and digest, when its object was last missing: until then, or still (Infinity). Milliseconds since the epoch. */
  readonly #missing = new Map<string, number>();
  readonly #contents = new Map<string, Buffer>();
  readonly #byDigest = new Map<string, Buffer>();
  #configs = 0;

  constructor(databaseOf: (repository: string) => string) {
    this.databaseOf = databaseOf;
  }

  /** A live image that nobody else works on; null when there is none. */
  pick(): Image | null {
    const idle = [...this.images].filter(({ users }) => users === 0);
    return idle[Math.floor(Math.random() * idle.length)] ?? null;
  }

  layer(index: number): { digest: string; bytes: Buffer } {
    return this.#content(`layer ${index} `, index % LARGE_EVERY === 0 ? LARGE : 2000 * (index + 1));
  }

  randomLayers(): number[] {
    const count = 1 + Math.floor(Math.random() * 3);
    return Array.from({ length: count }, () => Math.floor(Math.random() * LAYERS));
  }

  /** A config that no image had before: so no manifest is pushed twice. */
  newConfig(): { digest: string; bytes: Buffer } {
    const bytes = Buffer.from(`config ${++this.#configs}`);
    const digest = sha256(bytes);
    this.#byDigest.set(digest, bytes);
    return { digest, bytes };
  }

  /** An object is about to vanish: of its digest anything may be said, until it is healed. */
  vanish(repository: string, digest: string): void {
    this.counts.vanished++;
    this.#missing.set(this.#key(repository, digest), Number.POSITIVE_INFINITY);
  }

  /** It was pushed again: from now on every repository of that database has it. */
  heal(repository: string, digest: string): void {
    this.#missing.set(this.#key(repository, digest), Date.now());
  }

  /** Whether one of these was missing at any time since `time`. Milliseconds since the epoch. */
  wasMissing(repository: string, digests: string[], time: number): boolean {
    return digests.some((digest) => (this.#missing.get(this.#key(repository, digest)) ?? 0) >= time);
  }

  #key(repository: string, digest: string): string {
    return `${this.databaseOf(repository)} ${digest}`;
  }

  /** The bytes of a content that was made here. */
  bytesOf(digest: string): Buffer | null {
    return this.#byDigest.get(digest) ?? null;
  }

  lose(what: string): void {
    this.losses.push(what);
    console.error(`LOST: ${what}`);
  }

  #content(seed: string, length: number): { digest: string; bytes: Buffer } {
    let bytes = this.#contents.get(seed);
    if (bytes === undefined) {
      bytes = Buffer.alloc(length, seed);
      this.#contents.set(seed, bytes);
      this.#byDigest.set(sha256(bytes), bytes);
    }
    return { digest: sha256(bytes), bytes };
  }
}
