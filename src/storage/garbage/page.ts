/**
 * What every kind of garbage has in common: it is found a page at a time, and taken by a statement that decides for
 * itself, by the same condition, that nothing needs what it takes. A dry run only finds.
 */

import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName } from "../../oci/reference.ts";

/** One thing that may go. */
export interface Candidate {
  /** Its row: the values that find it again. */
  row: (string | number)[];
  /** Null for what belongs to no repository: blobs, objects. */
  repository: RepositoryName | null;
  /** Null for a repository, and for an object. */
  digest: Digest | null;
  /** Of storage that this frees: 0 for a link. */
  bytes: number;
}

/** Some of the garbage, and where to go on: null when there is no more. */
export interface GarbagePage {
  candidates: Candidate[];
  next: string | null;
}

/** One kind of garbage. */
export interface Garbage {
  /** @param after what a page before said to go on from; null begins at the first */
  find(after: string | null, limit: number): Promise<GarbagePage>;
  /**
   * Can be repeated.
   * @returns the rows that were taken: since they were found, one may have become needed. After a lost answer
   * some are missing here that are gone.
   */
  take(candidates: Candidate[]): Promise<TakenRows>;
}

/** Rows, looked up by their values. */
export class TakenRows {
  readonly #rows: Set<string>;

  constructor(rows: (string | number)[][]) {
    this.#rows = new Set(rows.map((row) => JSON.stringify(row)));
  }

  has({ row }: Candidate): boolean {
    return this.#rows.has(JSON.stringify(row));
  }
}

/** Rows as one bound value. */
export function rowsOf(candidates: Candidate[]): string {
  return JSON.stringify(candidates.map(({ row }) => row));
}

/** Where the page behind a full one begins: the sort key of its last row. */
export function nextOf<T>(rows: T[], limit: number, keyOf: (last: T) => (string | number)[]): string | null {
  const last = rows.at(-1);
  return rows.length < limit || last === undefined ? null : JSON.stringify(keyOf(last));
}

/** The sort key that {@link nextOf} wrote; `first` when there is none yet. */
export function keyAfter<K extends (string | number)[]>(after: string | null, first: K): K {
  return after === null ? first : JSON.parse(after);
}
