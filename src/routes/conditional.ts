/** Conditional requests (RFC 9110, section 13): the ETag of content is its digest. */

import type { Digest } from "../oci/digest.ts";
import type { Context } from "./context.ts";

export function etagOf(digest: Digest): string {
  return `"${digest}"`;
}

/** Whether `If-None-Match` names the content: then the answer is 304. */
export function isNotModified(c: Context, digest: Digest): boolean {
  const header = c.req.header("If-None-Match");
  if (header === undefined) return false;
  return header.split(",").some((entry) => {
    const tag = entry.trim().replace(/^W\//, "");
    return tag === "*" || tag === etagOf(digest);
  });
}

/** The `Range` header, unless `If-Range` says that it was meant for other content. */
export function rangeHeader(c: Context, digest: Digest): string | undefined {
  const condition = c.req.header("If-Range");
  return condition === undefined || condition === etagOf(digest) ? c.req.header("Range") : undefined;
}
