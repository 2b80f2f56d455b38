/** Upload sessions: chunks, closing, status and cancelling. */

import { Hono } from "hono";
import { parseDigest } from "../oci/digest.ts";
import { RegistryError } from "../oci/errors.ts";
import { authorize } from "./authorize.ts";
import { actorOf, type RegistryEnv } from "./context.ts";
import { chunkOf, closed, emptyChunk, progress, refusal, session, unknownUpload } from "./upload-answers.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export const uploads = new Hono<RegistryEnv>();

// end-13: GET /v2/<name>/blobs/uploads/<id>
uploads.get("/v2/:name{.+}/blobs/uploads/:id", async (c) => {
  const name = authorize(c, "push");
  const id = parseId(c.req.param("id"));
  const outcome = await session(c, id).status(name);
  if (outcome.kind !== "at") throw await refusal(c, name, id, outcome);
  return c.body(null, 204, progress(name, id, outcome.offset));
});

// end-5: PATCH /v2/<name>/blobs/uploads/<id>
uploads.patch("/v2/:name{.+}/blobs/uploads/:id", async (c) => {
  const name = authorize(c, "push");
  const id = parseId(c.req.param("id"));
  const outcome = await session(c, id).append(name, chunkOf(c) ?? emptyChunk(c));
  switch (outcome.kind) {
    case "accepted":
      return c.body(null, 202, progress(name, id, outcome.offset));
    case "closing":
      throw new RegistryError("BLOB_UPLOAD_INVALID", "all bytes are here: repeat the closing PUT");
    default:
      throw await refusal(c, name, id, outcome);
  }
});

// end-6: PUT /v2/<name>/blobs/uploads/<id>?digest=<digest>
uploads.put("/v2/:name{.+}/blobs/uploads/:id", async (c) => {
  const name = authorize(c, "push");
  const id = parseId(c.req.param("id"));
  const digest = c.req.query("digest");
  if (digest === undefined) throw new RegistryError("DIGEST_INVALID", "the digest parameter is missing");
  const blob = parseDigest(digest);
  const closing = { digest: blob, chunk: chunkOf(c), by: actorOf(c) };
  return closed(c, name, id, blob, await session(c, id).close(name, closing));
});

// end-14: DELETE /v2/<name>/blobs/uploads/<id>
uploads.delete("/v2/:name{.+}/blobs/uploads/:id", async (c) => {
  const name = authorize(c, "push");
  const id = parseId(c.req.param("id"));
  const outcome = await session(c, id).cancel(name);
  if (outcome.kind !== "cancelled") throw await refusal(c, name, id, outcome);
  return c.body(null, 204);
});

function parseId(text: string): string {
  if (UUID.test(text)) return text;
  throw unknownUpload(text);
}
