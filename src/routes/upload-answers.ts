/** What uploads are asked and answer: bodies in, progress and refusals out. */

import type { Digest } from "../oci/digest.ts";
import { RegistryError } from "../oci/errors.ts";
import { parseContentRange } from "../oci/range.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { UploadClient } from "../storage/upload/client.ts";
import type { Chunk, CloseOutcome, Refusal } from "../storage/upload/protocol.ts";
import type { Context } from "./context.ts";
import { overQuota } from "./quota-refusal.ts";
import { databaseFull, unavailable } from "./unavailable.ts";

export function session(c: Context, id: string): UploadClient {
  return new UploadClient(c.env.UPLOADS, id);
}

/** The request's body; null when it has none. @throws RegistryError when its Content-Range contradicts it */
export function chunkOf(c: Context): Chunk | null {
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

export function emptyChunk(c: Context): Chunk {
  const body = new Response("").body as ReadableStream<Uint8Array>;
  return { body, length: 0, range: parseContentRange(c.req.header("Content-Range")) };
}

function locationOf(name: RepositoryName, id: string): string {
  return `/v2/${name}/blobs/uploads/${id}`;
}

/** @param offset how many bytes the session has */
export function progress(name: RepositoryName, id: string, offset: number): Record<string, string> {
  return {
    Location: locationOf(name, id),
    // Inclusive; the specification has no way to say "nothing yet".
    Range: `0-${Math.max(offset - 1, 0)}`,
    "Docker-Upload-UUID": id,
  };
}

export function created(c: Context, name: RepositoryName, digest: Digest): Response {
  return c.body(null, 201, { Location: `/v2/${name}/blobs/${digest}`, "Docker-Content-Digest": digest });
}

export async function closed(
  c: Context,
  name: RepositoryName,
  id: string,
  digest: Digest,
  outcome: CloseOutcome,
): Promise<Response> {
  switch (outcome.kind) {
    case "committed":
      return created(c, name, digest);
    case "mismatch":
      throw mismatch(digest);
    case "other-digest":
      throw new RegistryError(
        "DIGEST_INVALID",
        "this upload is being closed as another blob: repeat that PUT",
      );
    default:
      throw await refusal(c, name, id, outcome);
  }
}

export async function refusal(
  c: Context,
  name: RepositoryName,
  id: string,
  refused: Refusal,
): Promise<RegistryError> {
  switch (refused.kind) {
    case "unknown":
      return unknownUpload(id);
    case "unavailable":
      return unavailable(refused.refusal);
    case "database-full":
      return databaseFull();
    case "too-large":
      return new RegistryError("SIZE_INVALID", "the blob is too large for this registry", { status: 413 });
    case "over-quota":
      return overQuota(c, name, refused);
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
export function interrupted(headers: Record<string, string> | null): RegistryError {
  return new RegistryError(
    "BLOB_UPLOAD_INVALID",
    "the body broke off: go on from where Range says, or begin again",
    {
      status: 503,
      headers: { ...headers, "Retry-After": "1" },
    },
  );
}

export function unknownUpload(id: string): RegistryError {
  return new RegistryError(
    "BLOB_UPLOAD_UNKNOWN",
    "there is no such upload session: begin a new one with POST",
    {
      detail: { id: id.slice(0, 200) },
    },
  );
}

export function mismatch(digest: Digest): RegistryError {
  return new RegistryError("DIGEST_INVALID", "the content does not hash to this digest", {
    detail: { digest },
  });
}
