/** `n` and `last` of lists, and the `Link` to the next page (RFC 8288). */

import { RegistryError } from "../oci/errors.ts";
import type { Context } from "./context.ts";

/** The longest page, also without `n`: a page is held in memory. */
const MAX_PAGE = 5000;

export interface Page {
  limit: number;
  after: string | null;
}

/** @throws RegistryError UNSUPPORTED 400 when `n` is not a whole number ≥ 0 */
export function parsePage(c: Context): Page {
  const n = c.req.query("n");
  if (n !== undefined && !/^\d+$/.test(n)) {
    throw new RegistryError("UNSUPPORTED", "n must be a whole number, 0 or more", {
      status: 400,
      detail: { n: n.slice(0, 200) },
    });
  }
  return { limit: Math.min(Number(n ?? MAX_PAGE), MAX_PAGE), after: c.req.query("last") ?? null };
}

/**
 * Cuts a list that was read one entry beyond its page, and links to the rest when there is one.
 * @param read up to `page.limit` + 1 entries
 */
export function cutPage<T extends string>(c: Context, page: Page, read: T[]): T[] {
  const entries = read.slice(0, page.limit);
  const last = entries.at(-1);
  if (read.length > page.limit && last !== undefined) linkNext(c, { n: String(page.limit), last });
  return entries;
}

/** Sets a `Link` to this path with another query. */
export function linkNext(c: Context, query: Record<string, string>): void {
  c.header("Link", `<${c.req.path}?${new URLSearchParams(query)}>; rel="next"`);
}
