/**
 * Reads through Cloudflare's cache (https://developers.cloudflare.com/workers/cache/). The cache stands in front of an
 * entrypoint of its own, which nobody can call from outside; the one that clients call is not cached. So every request is
 * authorised, and its row looked up, before the cache is asked, and by the key of the object: no key is ever used
 * twice and the registry changes no object, so what the cache has under a key is right for as long as a row names that
 * key. Who overwrites an object by hand has to push the blob again: that gives it another key.
 *
 * Where there is no cache, as in the simulator, the entrypoint itself is asked. What it cannot give is read from the
 * store: the cache makes a pull faster, and none depends on it.
 */

import { WorkerEntrypoint } from "cloudflare:workers";
import { log } from "../../log.ts";
import { type ByteRange, formatContentRange, formatRange, parseContentRange } from "../../oci/range.ts";
import { Unavailable } from "../retry.ts";
import { openObjects } from "./open.ts";

/** The largest response that the cache keeps; it would ask for a larger one again each time. Bytes. */
const MAX_CACHED = 512 * 1024 ** 2;

/** Ranges below a quarter of the whole are read from the store itself. */
const SMALLEST_SHARE = 4;

/** The host is nobody's: the cache goes by the entrypoint and the path. */
const ORIGIN = "https://objects.invalid";

/** What stands behind the cache: `GET /<key>?size=<bytes>`, whole or a range. */
export class StoredObjects extends WorkerEntrypoint<Env> {
  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const size = Number(searchParams.get("size"));
    // As the cache and readThroughEdge ask: one range, from where to where.
    const range = parseContentRange(request.headers.get("Range") ?? undefined);
    const key = decodeURIComponent(pathname.slice(1));
    const body = await openObjects(this.env).get(key, range).catch(unavailable);
    if (body === null) return nothing(404);
    if (body === "unavailable") return nothing(503);
    const headers = {
      "Content-Length": String(range?.length ?? size),
      "Cache-Control": "public, max-age=31536000, immutable, no-transform",
      ETag: `"${key}"`,
      ...(range !== null && { "Content-Range": formatContentRange(range, size) }),
    };
    return new Response(body, { status: range === null ? 200 : 206, headers });
  }
}

/** The cache must not keep it. */
function nothing(status: number): Response {
  return new Response(null, { status, headers: { "Cache-Control": "no-store" } });
}

function unavailable(error: unknown): "unavailable" {
  if (error instanceof Unavailable) return "unavailable";
  throw error;
}

/**
 * The bytes of an object, or a range of them.
 * @param edge StoredObjects, behind the cache
 * @param size of the whole object. Bytes.
 * @returns null when the edge cannot give them: the store may
 */
export async function readThroughEdge(
  edge: Fetcher,
  { key, size }: { key: string; size: number },
  range: ByteRange | null,
): Promise<ReadableStream | null> {
  // For a range, the cache may take in the whole.
  if (size > MAX_CACHED || (range !== null && range.length * SMALLEST_SHARE < size)) return null;
  const url = `${ORIGIN}/${encodeURIComponent(key)}?size=${size}`;
  const headers: HeadersInit = range === null ? {} : { Range: formatRange(range) };
  try {
    const response = await edge.fetch(url, { headers });
    if (isWhatWasAsked(response, size, range)) return response.body;
    await response.body?.cancel();
    if (response.status !== 404) log("edge-answer", { key, status: response.status }, "warn");
  } catch (error) {
    log("edge-failed", { key, error }, "warn");
  }
  return null;
}

/** An answer of another length, or the whole in place of a range, would reach the client as wrong bytes. */
function isWhatWasAsked({ status, headers }: Response, size: number, range: ByteRange | null): boolean {
  if (headers.get("Content-Length") !== String(range?.length ?? size)) return false;
  if (range === null) return status === 200;
  return status === 206 && headers.get("Content-Range") === formatContentRange(range, size);
}
