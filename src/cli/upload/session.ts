/** An upload session at a registry, as its answers describe it. */

import type { Answer } from "../http/exchange.ts";

/** Where the registry keeps half a blob, and how much of it. */
export interface UploadSession {
  /** Where the next request goes. Registries change it from answer to answer. */
  location: URL;
  /** How many bytes the registry has acknowledged. */
  offset: number;
}

/** How large a registry wants its chunks. Bytes; null when it does not say. */
export interface ChunkLimits {
  min: number | null;
  max: number | null;
}

export const NO_LIMITS: ChunkLimits = { min: null, max: null };

/** @returns null without a usable Location */
export function locationOf(answer: Pick<Answer, "headers">, requested: URL): URL | null {
  const { location } = answer.headers;
  if (location === undefined || !URL.canParse(location, requested.href)) return null;
  const url = new URL(location, requested);
  // A registry behind a proxy that ends TLS may not know that it is spoken to by https.
  if (url.hostname === requested.hostname && url.protocol !== requested.protocol) {
    return new URL(url.pathname + url.search, requested);
  }
  return url;
}

/**
 * How many bytes a registry has: the end of `Range: 0-<last byte>`. Null when it does not say. `0-0` may mean
 * one byte or none: the specification has no way to say "none".
 */
export function offsetOf(answer: Pick<Answer, "headers">): number | null {
  const match = /^(?:bytes[ =])?0-(\d{1,15})$/.exec(String(answer.headers.range ?? "").trim());
  return match === null ? null : Number(match[1]) + 1;
}

export function chunkLimitsOf(answer: Pick<Answer, "headers">): ChunkLimits {
  return { min: bytes(answer, "oci-chunk-min-length"), max: bytes(answer, "oci-chunk-max-length") };
}

function bytes({ headers }: Pick<Answer, "headers">, name: string): number | null {
  const value = Number(headers[name]);
  return Number.isSafeInteger(value) && value > 0 ? value : null;
}

/** The Location with a query parameter added; its own, which carry a registry's state, are kept as they are. */
export function withDigest(location: URL, digest: string): URL {
  const url = new URL(location);
  url.search += `${url.search === "" ? "?" : "&"}digest=${encodeURIComponent(digest)}`;
  return url;
}

/** The URL without its `digest` parameter, and otherwise as it is. */
export function withoutDigest(url: URL): URL {
  const kept = url.search
    .slice(1)
    .split("&")
    .filter((parameter) => parameter !== "" && !parameter.startsWith("digest="));
  const result = new URL(url);
  result.search = kept.join("&");
  return result;
}
