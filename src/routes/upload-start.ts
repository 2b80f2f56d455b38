/** How an upload begins: with a session, a mount, or the whole blob at once. */

import { Hono } from "hono";
import { type Algorithm, algorithmOf, type Digest, parseAlgorithm, parseDigest } from "../oci/digest.ts";
import { RegistryError } from "../oci/errors.ts";
import { parseRepositoryName, type RepositoryName } from "../oci/reference.ts";
import { putBlob } from "../storage/blob-push.ts";
import { mountBlob } from "../storage/mount.ts";
import { countedSince, openUpload } from "../storage/open-uploads.ts";
import { listRepositoriesWithBlob } from "../storage/repositories.ts";
import { storesOf } from "../storage/stores.ts";
import { authorize } from "./authorize.ts";
import { actorOf, type Context, type RegistryEnv } from "./context.ts";
import { drain } from "./drained.ts";
import { overQuota } from "./quota-refusal.ts";
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
    return started(c, name, await start(c, name, blob));
  }
  if (digest !== undefined) return createWhole(c, name, parseDigest(digest));
  return started(c, name, await start(c, name, null));
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
  const { db } = storesOf(c.env, name);
  const from = c.req.query("from");
  if (from !== undefined) {
    const source = parseRepositoryName(from);
    return access.may("pull", source) && mount(c, name, digest, source);
  }
  let after = 0;
  for (let looked = 0; looked < MAX_HOLDERS; looked += HOLDERS_LOOKED_AT) {
    const holders = await listRepositoriesWithBlob(db, digest, after, HOLDERS_LOOKED_AT);
    const source = holders.find((holder) => access.may("pull", holder.name));
    if (source !== undefined) return mount(c, name, digest, source.name);
    if (holders.length < HOLDERS_LOOKED_AT) return false;
    after = holders.at(-1)?.id ?? after;
  }
  return false;
}

/** @throws RegistryError DENIED when a quota leaves no room for it: by an upload it would not fit either */
async function mount(
  c: Context,
  name: RepositoryName,
  digest: Digest,
  source: RepositoryName,
): Promise<boolean> {
  const { db, name: database } = storesOf(c.env, name);
  // Its bytes are another database's: they have to come once more.
  if (storesOf(c.env, source).name !== database) return false;
  const outcome = await mountBlob(db, digest, source, name, actorOf(c), Date.now());
  if (typeof outcome !== "boolean") throw await overQuota(c, name, outcome);
  return outcome;
}

/** end-4b: the whole blob in the POST. R2 verifies it, and no session is needed. */
async function createWhole(c: Context, name: RepositoryName, digest: Digest): Promise<Response> {
  const chunk = chunkOf(c) ?? emptyChunk(c);
  const { body, length } = chunk;
  if (chunk.range !== null && chunk.range.offset !== 0) {
    throw new RegistryError("BLOB_UPLOAD_INVALID", "a whole blob begins at byte 0");
  }
  const stores = storesOf(c.env, name, c.get("settings").databaseLimit);
  if (length === null || length > stores.objects.can.maxPut) {
    const id = await start(c, name, digest);
    const outcome = await session(c, id).close(name, { digest, chunk, by: actorOf(c) });
    // The client was never told of the session.
    if (outcome.kind !== "committed") await session(c, id).cancel(name);
    return closed(c, name, id, digest, outcome);
  }
  const outcome = await putBlob(stores, name, body, length, digest, actorOf(c));
  if (outcome !== "committed" && !body.locked) await drain(body);
  if (outcome === "mismatch") throw mismatch(digest);
  if (outcome === "interrupted") throw interrupted(null);
  if (outcome !== "committed") throw await overQuota(c, name, outcome);
  return created(c, name, digest);
}

/** @param digest null when it is not known yet @returns the session's id */
async function start(c: Context, repository: RepositoryName, digest: Digest | null): Promise<string> {
  const id = crypto.randomUUID();
  // With all of a user's tokens together. Nobody begins an upload without a name.
  const counted = { owner: c.get("access").actorName ?? "", id };
  const algorithm = algorithmFor(c, digest);
  const { maxUploadsPerUser: perOwner, maxUploads: total, uploadExpiry: expiresAfter } = c.get("settings");
  const now = Date.now();
  const limits = { perOwner, total, since: countedSince(now, expiresAfter) };
  const { db, name: database } = storesOf(c.env, repository, c.get("settings").databaseLimit);
  const opening = await openUpload(db, counted, { repository, digest }, limits, now);
  if (opening.kind === "over-quota") throw await overQuota(c, repository, opening);
  if (opening.kind === "too-many") {
    throw tooMany(opening.of === "owner" ? `${counted.owner} has ${perOwner}` : `this registry has ${total}`);
  }
  const { room } = opening;
  const upload = {
    repository,
    database,
    counted,
    algorithm,
    expiresAfter,
    stallTimeout: STALL_TIMEOUT,
    room,
  };
  await session(c, id).start(upload);
  return id;
}

/** @param have who has how many */
function tooMany(have: string): RegistryError {
  return new RegistryError(
    "TOOMANYREQUESTS",
    `${have} uploads open: finish or cancel some, or wait until they expire`,
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
