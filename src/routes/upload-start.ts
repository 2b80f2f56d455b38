/** How an upload begins: with a session, a mount, or the whole blob at once. */

import { Hono } from "hono";
import { type Algorithm, algorithmOf, type Digest, parseAlgorithm, parseDigest } from "../oci/digest.ts";
import { RegistryError } from "../oci/errors.ts";
import { parseRepositoryName, type RepositoryName } from "../oci/reference.ts";
import { mountBlob, putBlob } from "../storage/blob-push.ts";
import { countedSince, type OpenUpload, openUpload } from "../storage/open-uploads.ts";
import { listRepositoriesWithBlob } from "../storage/repositories.ts";
import { openStores } from "../storage/stores.ts";
import { authorize } from "./authorize.ts";
import { actorOf, type Context, type RegistryEnv } from "./context.ts";
import { drain } from "./drained.ts";
import {
  chunkOf,
  closed,
  created,
  emptyChunk,
  interrupted,
  mismatch,
  progress,
  session,
} from "./upload-answers.ts";

/** Silence after which a body gives way to the next request on its session. Milliseconds. */
const STALL_TIMEOUT = 30_000;

/** In search of a repository to mount from: how many are read at once, and in all. Else the blob is uploaded. */
const HOLDERS_LOOKED_AT = 100;
const MAX_HOLDERS = 1000;

export const uploadStart = new Hono<RegistryEnv>();

// end-4a, end-4b, end-4c, end-11: POST /v2/<name>/blobs/uploads/
uploadStart.post("/v2/:name{.+}/blobs/uploads/", create);
uploadStart.post("/v2/:name{.+}/blobs/uploads", create);

async function create(c: Context): Promise<Response> {
  const name = authorize(c, "push");
  const mount = c.req.query("mount");
  const digest = c.req.query("digest");

  if (mount !== undefined) {
    const blob = parseDigest(mount);
    if (await mountFrom(c, name, blob)) return created(c, name, blob);
    return started(c, name, await start(c, name, algorithmFor(c, blob)));
  }
  if (digest !== undefined) return createWhole(c, name, parseDigest(digest));
  return started(c, name, await start(c, name, algorithmFor(c, null)));
}

/** end-4c. What a session hashes with: what the client asks for, else what its digest will need. */
function algorithmFor(c: Context, digest: Digest | null): Algorithm {
  const asked = c.req.query("digest-algorithm");
  if (asked !== undefined) return parseAlgorithm(asked);
  return digest === null ? "sha256" : algorithmOf(digest);
}

/** end-11. Without `from`, any repository that holds the blob will do, if the caller may pull from it. */
async function mountFrom(c: Context, name: RepositoryName, digest: Digest): Promise<boolean> {
  const access = c.get("access");
  const { db } = openStores(c.env);
  const from = c.req.query("from");
  if (from !== undefined) {
    const source = parseRepositoryName(from);
    return access.may("pull", source) && mountBlob(db, digest, source, name, actorOf(c), Date.now());
  }
  let after = 0;
  for (let looked = 0; looked < MAX_HOLDERS; looked += HOLDERS_LOOKED_AT) {
    const holders = await listRepositoriesWithBlob(db, digest, after, HOLDERS_LOOKED_AT);
    const source = holders.find((holder) => access.may("pull", holder.name));
    if (source !== undefined) return mountBlob(db, digest, source.name, name, actorOf(c), Date.now());
    if (holders.length < HOLDERS_LOOKED_AT) return false;
    after = holders.at(-1)?.id ?? after;
  }
  return false;
}

/** end-4b: the whole blob in the POST. R2 verifies it, and no session is needed. */
async function createWhole(c: Context, name: RepositoryName, digest: Digest): Promise<Response> {
  const chunk = chunkOf(c) ?? emptyChunk(c);
  const { body, length } = chunk;
  if (chunk.range !== null && chunk.range.offset !== 0) {
    throw new RegistryError("BLOB_UPLOAD_INVALID", "a whole blob begins at byte 0");
  }
  const stores = openStores(c.env);
  if (length === null || length > stores.objects.maxPut) {
    const id = await start(c, name, algorithmFor(c, digest));
    const outcome = await session(c, id).close(name, { digest, chunk, by: actorOf(c) });
    // The client was never told of the session.
    if (outcome.kind !== "committed") await session(c, id).cancel(name);
    return closed(c, name, id, digest, outcome);
  }
  const outcome = await putBlob(stores, name, body, length, digest, actorOf(c));
  if (outcome !== "committed" && !body.locked) await drain(body);
  if (outcome === "mismatch") throw mismatch(digest);
  if (outcome === "interrupted") throw interrupted(null);
  return created(c, name, digest);
}

async function start(c: Context, repository: RepositoryName, algorithm: Algorithm): Promise<string> {
  const id = crypto.randomUUID();
  const expiresAfter = c.get("settings").uploadExpiry;
  // With all of a user's tokens together. Nobody begins an upload without a name.
  const counted = { owner: c.get("access").actorName ?? "", id };
  await requireRoom(c, counted);
  await session(c, id).start({ repository, counted, algorithm, expiresAfter, stallTimeout: STALL_TIMEOUT });
  return id;
}

/** @throws RegistryError TOOMANYREQUESTS when too many sessions are open */
async function requireRoom(c: Context, counted: OpenUpload): Promise<void> {
  const { maxUploadsPerUser: perOwner, maxUploads: total, uploadExpiry } = c.get("settings");
  const now = Date.now();
  const limits = { perOwner, total, since: countedSince(now, uploadExpiry) };
  const reached = await openUpload(openStores(c.env).db, counted, limits, now);
  if (reached === null) return;
  const whose = reached === "owner" ? `${counted.owner} has ${perOwner}` : `this registry has ${total}`;
  throw new RegistryError(
    "TOOMANYREQUESTS",
    `${whose} uploads open: finish or cancel some, or wait until they expire`,
    { headers: { "Retry-After": "60" } },
  );
}

function started(c: Context, name: RepositoryName, id: string): Response {
  return c.body(null, 202, {
    ...progress(name, id, 0),
    "OCI-Chunk-Min-Length": "1",
    "OCI-Chunk-Max-Length": String(c.get("settings").maxChunk),
  });
}
