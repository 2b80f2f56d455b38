/** Uploads: how blobs come in. */

import { Hono } from "hono";
import { type Algorithm, type Digest, parseAlgorithm, parseDigest } from "../oci/digest.ts";
import { RegistryError } from "../oci/errors.ts";
import { parseContentRange } from "../oci/range.ts";
import { parseRepositoryName, type RepositoryName } from "../oci/reference.ts";
import { commitBlob, mountBlob } from "../storage/blobs.ts";
import { MAX_PUT_SIZE, newObjectKey, putVerified } from "../storage/objects.ts";
import { listRepositoriesWithBlob } from "../storage/repositories.ts";
import type { Chunk, CloseOutcome, Refusal } from "../storage/upload-outcomes.ts";
import type { Context, RegistryEnv } from "./context.ts";

/** Silence after which a body gives way to the next request on its session. Milliseconds. */
const STALL_TIMEOUT = 30_000;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export const uploads = new Hono<RegistryEnv>();

// end-4a, end-4b, end-4c, end-11: POST /v2/<name>/blobs/uploads/
uploads.post("/v2/:name{.+}/blobs/uploads/", create);
uploads.post("/v2/:name{.+}/blobs/uploads", create);

async function create(c: Context): Promise<Response> {
  const name = parseRepositoryName(c.req.param("name") ?? "");
  const mount = c.req.query("mount");
  const digest = c.req.query("digest");
  const algorithm = c.req.query("digest-algorithm");

  if (mount !== undefined) {
    const blob = parseDigest(mount);
    if (await mountFrom(c, name, blob)) return created(c, name, blob);
    return started(c, name, await start(c, name, "sha256"));
  }
  if (digest !== undefined) return createWhole(c, name, parseDigest(digest));
  return started(
    c,
    name,
    await start(c, name, algorithm === undefined ? "sha256" : parseAlgorithm(algorithm)),
  );
}

/** end-11. Without `from`, any repository that holds the blob will do. */
async function mountFrom(c: Context, name: RepositoryName, digest: Digest): Promise<boolean> {
  const from = c.req.query("from");
  if (from !== undefined) return mountBlob(c.env.DB, digest, parseRepositoryName(from), name, Date.now());
  const [source] = await listRepositoriesWithBlob(c.env.DB, digest, 0, 1);
  return source !== undefined && mountBlob(c.env.DB, digest, source.name, name, Date.now());
}

/** end-4b: the whole blob in the POST. R2 verifies it, and no session is needed. */
async function createWhole(c: Context, name: RepositoryName, digest: Digest): Promise<Response> {
  const chunk = chunkOf(c) ?? emptyChunk(c);
  const { body, length } = chunk;
  if (length === null || length > MAX_PUT_SIZE) {
    const id = await start(c, name, "sha256");
    return closed(c, name, id, digest, await session(c, id).close(name, digest, chunk));
  }
  const key = newObjectKey("blobs");
  const outcome = await putVerified(c.env.BUCKET, key, body, length, digest);
  if (outcome === "mismatch") throw mismatch(digest);
  if (outcome === "interrupted") {
    await c.env.BUCKET.delete(key);
    throw interrupted(null);
  }
  const committed = await commitBlob(c.env.DB, name, { key, digest, size: length }, Date.now());
  if (committed !== "committed") await c.env.BUCKET.delete(key);
  return created(c, name, digest);
}

// end-13: GET /v2/<name>/blobs/uploads/<id>
uploads.get("/v2/:name{.+}/blobs/uploads/:id", async (c) => {
  const name = parseRepositoryName(c.req.param("name"));
  const id = parseId(c.req.param("id"));
  const offset = await session(c, id).offset(name);
  if (offset === null) throw unknown(id);
  return c.body(null, 204, progress(name, id, offset));
});

// end-5: PATCH /v2/<name>/blobs/uploads/<id>
uploads.patch("/v2/:name{.+}/blobs/uploads/:id", async (c) => {
  const name = parseRepositoryName(c.req.param("name"));
  const id = parseId(c.req.param("id"));
  const outcome = await session(c, id).append(name, chunkOf(c) ?? emptyChunk(c));
  switch (outcome.kind) {
    case "accepted":
      return c.body(null, 202, progress(name, id, outcome.offset));
    case "closing":
      throw new RegistryError("BLOB_UPLOAD_INVALID", "all bytes are here: repeat the closing PUT");
    default:
      throw refusal(name, id, outcome);
  }
});

// end-6: PUT /v2/<name>/blobs/uploads/<id>?digest=<digest>
uploads.put("/v2/:name{.+}/blobs/uploads/:id", async (c) => {
  const name = parseRepositoryName(c.req.param("name"));
  const id = parseId(c.req.param("id"));
  const digest = c.req.query("digest");
  if (digest === undefined) throw new RegistryError("DIGEST_INVALID", "the digest parameter is missing");
  const blob = parseDigest(digest);
  return closed(c, name, id, blob, await session(c, id).close(name, blob, chunkOf(c)));
});

// end-14: DELETE /v2/<name>/blobs/uploads/<id>
uploads.delete("/v2/:name{.+}/blobs/uploads/:id", async (c) => {
  const name = parseRepositoryName(c.req.param("name"));
  const id = parseId(c.req.param("id"));
  if (!(await session(c, id).cancel(name))) throw unknown(id);
  return c.body(null, 204);
});

function session(c: Context, id: string) {
  return c.env.UPLOADS.get(c.env.UPLOADS.idFromName(id));
}

async function start(c: Context, repository: RepositoryName, algorithm: Algorithm): Promise<string> {
  const id = crypto.randomUUID();
  const expiresAfter = c.get("settings").uploadExpiry;
  await session(c, id).start({ repository, algorithm, expiresAfter, stallTimeout: STALL_TIMEOUT });
  return id;
}

/** The request's body; null when it has none. @throws RegistryError when its Content-Range contradicts it */
function chunkOf(c: Context): Chunk | null {
  const { body } = c.req.raw;
  const header = c.req.header("Content-Length");
  const length = header === undefined ? null : Number(header);
  const range = parseContentRange(c.req.header("Content-Range"));
  if (range !== null && length !== null && range.length !== length) {
    throw new RegistryError(
      "SIZE_INVALID",
      `Content-Range spans ${range.length} bytes, Content-Length is ${length}`,
    );
  }
  return body === null || length === 0 ? null : { body, length, range };
}

function emptyChunk(c: Context): Chunk {
  const body = new Response("").body as ReadableStream<Uint8Array>;
  return { body, length: 0, range: parseContentRange(c.req.header("Content-Range")) };
}

function locationOf(name: RepositoryName, id: string): string {
  return `/v2/${name}/blobs/uploads/${id}`;
}

/** @param offset how many bytes the session has */
function progress(name: RepositoryName, id: string, offset: number): Record<string, string> {
  return {
    Location: locationOf(name, id),
    // Inclusive; the specification has no way to say "nothing yet".
    Range: `0-${Math.max(offset - 1, 0)}`,
    "Docker-Upload-UUID": id,
  };
}

function started(c: Context, name: RepositoryName, id: string): Response {
  return c.body(null, 202, {
    ...progress(name, id, 0),
    "OCI-Chunk-Min-Length": "1",
    "OCI-Chunk-Max-Length": String(c.get("settings").maxChunk),
  });
}

function created(c: Context, name: RepositoryName, digest: Digest): Response {
  return c.body(null, 201, { Location: `/v2/${name}/blobs/${digest}`, "Docker-Content-Digest": digest });
}

function closed(
  c: Context,
  name: RepositoryName,
  id: string,
  digest: Digest,
  outcome: CloseOutcome,
): Response {
  switch (outcome.kind) {
    case "committed":
      return created(c, name, digest);
    case "mismatch":
      throw mismatch(digest);
    default:
      throw refusal(name, id, outcome);
  }
}

function refusal(name: RepositoryName, id: string, refused: Refusal): RegistryError {
  switch (refused.kind) {
    case "unknown":
      return unknown(id);
    case "too-large":
      return new RegistryError("SIZE_INVALID", "the blob is too large for this registry", { status: 413 });
    case "interrupted":
      return interrupted(progress(name, id, refused.offset));
    case "wrong-length":
      return new RegistryError("SIZE_INVALID", "the body's length differs from its Content-Range", {
        headers: progress(name, id, refused.offset),
      });
    case "out-of-order":
      return new RegistryError(
        "BLOB_UPLOAD_INVALID",
        `the chunk is out of order: the next one begins at byte ${refused.offset}`,
        { status: 416, headers: progress(name, id, refused.offset), detail: { offset: refused.offset } },
      );
  }
}

/** @param headers where the session stands; null when there is none */
function interrupted(headers: Record<string, string> | null): RegistryError {
  return new RegistryError(
    "BLOB_UPLOAD_INVALID",
    "the body broke off: go on from where Range says, or begin again",
    {
      status: 503,
      headers: { ...headers, "Retry-After": "1" },
    },
  );
}

function parseId(text: string): string {
  if (UUID.test(text)) return text;
  throw unknown(text);
}

function unknown(id: string): RegistryError {
  return new RegistryError(
    "BLOB_UPLOAD_UNKNOWN",
    "there is no such upload session: begin a new one with POST",
    {
      detail: { id: id.slice(0, 200) },
    },
  );
}

function mismatch(digest: Digest): RegistryError {
  return new RegistryError("DIGEST_INVALID", "the content does not hash to this digest", {
    detail: { digest },
  });
}
