/** The end of an upload session: its bytes become a verified object, and that becomes a blob; or they go. */

import { createHash } from "node:crypto";
import { type Algorithm, algorithmOf, type Digest, digestOf, snapshot } from "../oci/digest.ts";
import { commitBlob, doomUncommitted, headBlob } from "./blobs.ts";
import { newObjectKey, putVerified, type Source } from "./objects.ts";
import type { CloseOutcome } from "./upload-outcomes.ts";
import type { UploadState, UploadStore } from "./upload-state.ts";

export interface Upload {
  env: Pick<Env, "DB" | "BUCKET">;
  store: UploadStore;
  state: UploadState;
}

/**
 * Sends a whole body of known length and digest straight to R2, which verifies it: nothing is hashed here.
 * @returns null when R2 has it
 */
export async function putWhole(
  upload: Upload,
  digest: Digest,
  body: Source,
  length: number,
): Promise<CloseOutcome | null> {
  const { env, store, state } = upload;
  state.objectKey = newObjectKey("blobs");
  state.phase = "putting";
  store.save(state);
  const outcome = await putVerified(env.BUCKET, state.objectKey, body, length, digest);
  if (outcome === "stored") {
    state.offset = length;
    beginCommit(upload, digest);
    return null;
  }
  await reopen(upload);
  return outcome === "mismatch" ? { kind: "mismatch" } : { kind: "interrupted", offset: 0 };
}

/** Whether a session that was committing has lost its object: committed, then deleted and collected meanwhile. */
export async function isCollected({ env, state }: Upload): Promise<boolean> {
  return state.phase === "committing" && (await env.BUCKET.head(state.objectKey as string)) === null;
}

/** After a whole body that did not get through: nothing of it counts. */
export async function reopen({ env, store, state }: Upload): Promise<void> {
  // It may have arrived after all, with the answer lost. No row can name it yet.
  if (state.objectKey !== null) await env.BUCKET.delete(state.objectKey);
  state.objectKey = null;
  state.phase = "open";
  store.save(state);
}

/** Begins again at byte 0. */
export async function restart(upload: Upload): Promise<void> {
  const { store, state } = upload;
  await abortMultipart(upload);
  Object.assign(state, { offset: 0, partCount: 0, digest: null, objectKey: null, multipartId: null });
  store.dropBytes(state);
}

/**
 * Makes all bytes of the session a blob. Every step can be repeated, and is skipped when it was taken before.
 * After a "mismatch" the session is to be discarded.
 */
export async function finish(upload: Upload, digest: Digest): Promise<CloseOutcome> {
  const { env, state } = upload;
  if (state.phase === "open" || state.phase === "storing") {
    // 1. Verify, while nothing is stored yet; only the finished object can tell when the hash was lost.
    const known = knownDigest(upload, algorithmOf(digest));
    if (known !== null && known !== digest) return { kind: "mismatch" };
    // 2. Make the object.
    const key = await storeObject(upload);
    if (known === null && (await readBack(env.BUCKET, key, algorithmOf(digest))) !== digest) {
      return { kind: "mismatch" };
    }
    beginCommit(upload, digest);
  }
  if (state.closedAs !== digest) return { kind: "other-digest" };
  if (state.phase === "committing") return commit(upload, digest);
  // 3. Closed before: the same answer again, while it is still true.
  const linked = await headBlob(env.DB, state.repository, digest, Date.now(), 0);
  return linked === null ? { kind: "unknown" } : { kind: "committed" };
}

async function commit({ env, store, state }: Upload, digest: Digest): Promise<CloseOutcome> {
  const key = state.objectKey as string;
  const object = { key, digest, size: state.offset };
  const outcome = await commitBlob(env.DB, state.repository, object, Date.now());
  // Committed before, with the answer lost; then deleted and collected.
  if (outcome === "doomed") return { kind: "unknown" };
  // Written down first: a repeated PUT must find the success, and no longer look for the object.
  state.phase = "committed";
  store.dropBytes(state);
  // Another upload of the same digest won: that one is linked, no row names ours.
  if (outcome === "duplicate") await env.BUCKET.delete(key);
  return { kind: "committed" };
}

function beginCommit({ store, state }: Upload, digest: Digest): void {
  state.phase = "committing";
  state.closedAs = digest;
  store.save(state);
}

/** The digest of all bytes in `algorithm`; null when it takes the finished object to tell. */
function knownDigest({ store, state }: Upload, algorithm: Algorithm): Digest | null {
  if (state.digest !== null && algorithm === state.algorithm) return state.digest;
  return state.partCount === 0 ? digestOf(store.loadTail(state), algorithm) : null;
}

/** Makes one object of parts and tail. @returns its key */
async function storeObject({ env, store, state }: Upload): Promise<string> {
  const repeated = state.phase === "storing";
  state.objectKey ??= newObjectKey("blobs");
  state.phase = "storing";
  store.save(state);
  if (state.multipartId === null) {
    await env.BUCKET.put(state.objectKey, store.loadTail(state));
    return state.objectKey;
  }
  // R2 refuses to complete twice: ask whether the first time went through.
  if (repeated && (await env.BUCKET.head(state.objectKey)) !== null) return state.objectKey;
  const multipart = env.BUCKET.resumeMultipartUpload(state.objectKey, state.multipartId);
  const parts = store.parts(state);
  const tail = store.loadTail(state);
  if (tail.byteLength > 0) parts.push(await multipart.uploadPart(parts.length + 1, tail));
  await multipart.complete(parts);
  return state.objectKey;
}

async function readBack(bucket: R2Bucket, key: string, algorithm: Algorithm): Promise<Digest> {
  const object = await bucket.get(key);
  if (object === null) throw new Error(`R2 object ${key} of an upload is missing`);
  const hash = createHash(algorithm);
  const reader = object.body.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(1024 * 1024);
  for (;;) {
    const { done, value } = await reader.readAtLeast(buffer.byteLength, new Uint8Array(buffer));
    if (value !== undefined) hash.update(value);
    if (done || value === undefined) return snapshot(hash, algorithm);
    buffer = value.buffer as ArrayBuffer;
  }
}

/** Takes away what the session has put anywhere, unless it has become a blob. Can be repeated. */
export async function discardBytes(upload: Upload): Promise<void> {
  const { env, state } = upload;
  if (state.phase === "committed" || state.objectKey === null) return;
  // The commit's outcome is not known: the database decides whether the object is a blob.
  if (state.phase === "committing") return doomUncommitted(env.DB, state.objectKey, Date.now());
  await abortMultipart(upload);
  await env.BUCKET.delete(state.objectKey);
}

async function abortMultipart({ env, state }: Upload): Promise<void> {
  if (state.objectKey === null || state.multipartId === null) return;
  try {
    await env.BUCKET.resumeMultipartUpload(state.objectKey, state.multipartId).abort();
  } catch (error) {
    // In "storing" it may have been completed already. Otherwise it costs space until R2 drops it after 7 days.
    if (state.phase === "storing") return;
    console.warn(
      JSON.stringify({ event: "multipart-abort-failed", key: state.objectKey, error: String(error) }),
    );
  }
}
