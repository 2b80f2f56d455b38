/** One walk of a scrub: through all of something, a few at a time. */

import type { Checked } from "./findings.ts";

export interface Item {
  /** Where the walk goes on behind it. */
  position: string;
  /** Roughly what looking at it reads. Bytes. */
  bytes: number;
  /** Looks at it, and heals it. Can be repeated. @throws Unavailable */
  check(): Promise<Checked>;
}

export interface Items {
  items: Item[];
  /** Where the walk goes on behind all of them; null when it is through. */
  end: string | null;
}

export interface Walk {
  /** @param after exclusive; null begins at the first */
  list(after: string | null, limit: number): Promise<Items>;
}

/** Where to go on behind a page of rows: null when it was not full, and is the last one. */
export function endOf(items: Item[], limit: number): string | null {
  return items.length < limit ? null : (items.at(-1)?.position ?? null);
}
