/** Blobs: pull and delete. */

import { Hono } from "hono";
import { type Digest, parseDigest } from "../oci/digest.ts";
import { RegistryError } from "../oci/errors.ts";
import { formatContentRange, parseRange } from "../oci/range.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { type BlobSources, getBlob, headBlob, unlinkBlob } from "../storage/blobs.ts";
import { keepsCredentials } from "../storage/objects/signed-url.ts";
import { storesOf } from "../storage/stores.ts";
import { authorize, requireDeletion } from "./authorize.ts";
import { etagOf, isNotModified, rangeHeader } from "./conditional.ts";
import { actorOf, type Context, type RegistryEnv } from "./context.ts";
import { relianceOf } from "./reliance.ts";

export const blobs = new Hono<RegistryEnv>();

// end-2: GET, HEAD /v2/<name>/blobs/<digest>
blobs.get("/v2/:name{.+}/blobs/:digest", async (c) => {
  const name = authorize(c, "pull");
  const digest = parseDigest(c.req.param("digest"));
  if (c.req.method === "HEAD" || isNotModified(c, digest)) return headResponse(c, name, digest);

  const blob = await getBlob(storesOf(c.env, name), sourcesOf(c), name, digest, (size) =>
    parseRange(rangeHeader(c, digest), size),
  );
  if (blob === null) throw unknown(digest);
  if (blob.kind === "elsewhere") {
    const headers = { Location: blob.url, "Docker-Content-Digest": digest, "Cache-Control": "no-store" };
    return c.body(null, 307, headers);
  }

  const { size, range, body } = blob;
  const headers = blobHeaders(digest, range?.length ?? size);
  if (range === null) return c.body(body, 200, headers);
  return c.body(body, 206, { ...headers, "Content-Range": formatContentRange(range, size) });
});

function sourcesOf(c: Context): BlobSources {
  const { edgeCache, redirect } = c.get("settings");
  const { hostname } = new URL(c.req.url);
  return {
    edge: edgeCache ? c.executionCtx.exports.StoredObjects : null,
    redirectFrom: redirect !== null && !keepsCredentials(hostname, redirect.links) ? redirect.from : null,
  };
}

async function headResponse(c: Context, name: RepositoryName, digest: Digest) {
  const size = await headBlob(storesOf(c.env, name).db, name, digest, relianceOf(c, name));
  if (size === null) throw unknown(digest);
  return isNotModified(c, digest)
    ? c.body(null, 304, { ETag: etagOf(digest) })
    : c.body(null, 200, blobHeaders(digest, size));
}

/** @param length of this response's body, in bytes */
function blobHeaders(digest: Digest, length: number): Record<string, string> {
  return {
    "Content-Type": "application/octet-stream",
    "Content-Length": String(length),
    "Docker-Content-Digest": digest,
    ETag: etagOf(digest),
    "Accept-Ranges": "bytes",
    // Clients compare the length with the descriptor's: nobody on the way may compress.
    "Cache-Control": "private, max-age=31536000, immutable, no-transform",
  };
}

// end-10: DELETE /v2/<name>/blobs/<digest>
blobs.delete("/v2/:name{.+}/blobs/:digest", async (c) => {
  const name = authorize(c, "delete");
  const digest = parseDigest(c.req.param("digest"));
  requireDeletion(c);

  const outcome = await unlinkBlob(storesOf(c.env, name).db, name, digest, actorOf(c));
  if (outcome === "unknown") throw unknown(digest);
  if (outcome !== "unlinked") {
    throw new RegistryError("UNSUPPORTED", `manifest ${outcome.namedBy} names this blob: delete that first`, {
      detail: { digest, manifest: outcome.namedBy },
      headers: { Allow: "GET, HEAD" },
    });
  }
  return c.body(null, 202);
});

function unknown(digest: Digest): RegistryError {
  return new RegistryError("BLOB_UNKNOWN", "this repository holds no such blob", { detail: { digest } });
}
