/** The end of an upload session: its bytes become a verified object, and that becomes a blob. */

import { type Algorithm, algorithmOf, type Digest, digestOf } from "../../oci/digest.ts";
import type { Actor } from "../audit.ts";
import { commitBlob, dropObject, registerPending } from "../blob-push.ts";
import { headBlob } from "../blobs.ts";
import { hashObject } from "../objects/hash.ts";
import { newObjectKey } from "../objects/keys.ts";
import type { Multipart, Source } from "../objects/objects.ts";
import { findOverQuota, type OverQuota } from "../quota-room.ts";
import type { Stores } from "../stores.ts";
import { abortMultipart, restart } from "./dropping.ts";
import { gate } from "./gate.ts";
import { SMALL } from "./part-buffer.ts";
import type { Chunk, CloseOutcome, Closing } from "./protocol.ts";
import type { Upload } from "./state.ts";

/**
 * Sends a whole body of known length and digest straight to the store, which verifies it: nothing is hashed here.
 * @returns null when the store has it
 */
export async function putWhole(
  stores: Stores,
  upload: Upload,
  digest: Digest,
  body: Source,
  length: number,
): Promise<CloseOutcome | null> {
  const exceeded = await beyondQuota(stores, upload, digest, { length, range: null });
  if (exceeded !== null) return exceeded;
  // A multipart upload that never got its first part is in the way.
  if (upload.multipart !== null) await restart(stores, upload);
  const key = newObjectKey("blobs");
  upload.beginPutting(key);
  const outcome = await stores.objects.putVerified(key, body, length, digest);
  if (outcome === "stored") {
    upload.beginCommit(digest, length);
    return null;
  }
  await forgetPut(stores, upload);
  return outcome === "mismatch" ? { kind: "mismatch" } : { kind: "interrupted", offset: 0 };
}

/**
 * Whether a quota leaves no room for what a session has, and a chunk more. Within the room that there was when the
 * session began, nobody asks: the commit decides.
 * @param digest null when it is not known yet
 * @param chunk null for none
 */
export async function beyondQuota(
  { db }: Stores,
  { state: { repository, counted, room, offset } }: Upload,
  digest: Digest | null,
  chunk: Pick<Chunk, "length" | "range"> | null,
): Promise<OverQuota | null> {
  const total = offset + (chunk?.length ?? chunk?.range?.length ?? 0);
  if (room === undefined || room === null || total <= room) return null;
  return findOverQuota(db, { repository, owner: counted?.owner ?? null, digest }, total);
}

/** After a whole body that did not get through: nothing of it counts. */
export async function forgetPut({ objects }: Stores, upload: Upload): Promise<void> {
  // It may have arrived after all, with the answer lost. No row can name it yet.
  if (upload.state.objectKey !== null) await dropObject(objects, upload.state.objectKey);
  upload.restart();
}

/** How a session is to end. */
interface Ending extends Pick<Closing, "digest" | "by"> {
  /** Whether an earlier request began the commit, and nobody knows how far it got. */
  interrupted: boolean;
}

/**
 * Makes all bytes of the session a blob. Every step can be repeated, and is skipped when it was taken before.
 * After a "mismatch" the session is to be discarded, or opened again; after "unknown" and "over-quota" to be
 * discarded.
 */
export async function finish(stores: Stores, upload: Upload, ending: Ending): Promise<CloseOutcome> {
  // The tail is loaded, and may be nearly a part.
  const place = upload.tailLength >= SMALL ? await gate.enter() : null;
  try {
    return await takeSteps(stores, upload, ending);
  } finally {
    place?.leave();
  }
}

async function takeSteps(
  stores: Stores,
  upload: Upload,
  { digest, by, interrupted }: Ending,
): Promise<CloseOutcome> {
  const { state } = upload;
  if (state.phase === "open" || state.phase === "storing") {
    // 1. Verify, while nothing is stored yet; only the finished object can tell when the hash was lost.
    const known = knownDigest(upload, algorithmOf(digest));
    if (known !== null && known !== digest) return { kind: "mismatch" };
    const exceeded = await beyondQuota(stores, upload, digest, null);
    if (exceeded !== null) return exceeded;
    // 2. Make the object.
    if (state.partCount === 0) await storeTail(stores, upload, digest);
    else {
      const refused = await joinParts(stores, upload, digest, known);
      if (refused !== null) return refused;
    }
  }
  if (upload.state.closedAs !== digest) return { kind: "other-digest" };
  const lost = interrupted ? await lostCommit(stores, upload, digest) : null;
  if (lost !== null) return lost;
  if (upload.state.phase === "committing") return commit(stores, upload, digest, by);
  // 3. Closed before: the same answer again, while it is still true.
  return stillLinked(stores, upload, digest);
}

/**
 * What became of a session that was committing when it was interrupted, where its object is gone: it may have been
 * committed and, as a duplicate, or with its blob, deleted since.
 * @returns null when the object is there, or has been made again, and the commit can be repeated
 */
async function lostCommit(stores: Stores, upload: Upload, digest: Digest): Promise<CloseOutcome | null> {
  const { objectKey, fromTail } = upload.state;
  if ((await stores.objects.head(objectKey as string)) !== null) return null;
  if (!fromTail) return stillLinked(stores, upload, digest);
  await storeTail(stores, upload, digest);
  return null;
}

async function stillLinked({ db }: Stores, upload: Upload, digest: Digest): Promise<CloseOutcome> {
  const reliance = { now: Date.now(), gracePeriod: 0 };
  const size = await headBlob(db, upload.state.repository, digest, reliance);
  return size === null ? { kind: "unknown" } : { kind: "committed" };
}

async function commit(stores: Stores, upload: Upload, digest: Digest, by: Actor): Promise<CloseOutcome> {
  const { objectKey, offset, repository, counted } = upload.state;
  const object = { key: objectKey as string, digest, size: offset, upload: counted };
  const outcome = await commitBlob(stores, repository, object, by, Date.now());
  // Committed before, with the answer lost; then deleted and collected, or replaced.
  if (outcome === "lost") return stillLinked(stores, upload, digest);
  if (outcome !== "committed") return outcome;
  upload.commit();
  return { kind: "committed" };
}

/** The digest of all bytes in `algorithm`; null when it takes the finished object to tell. */
function knownDigest(upload: Upload, algorithm: Algorithm): Digest | null {
  const { state } = upload;
  if (state.digest !== null && algorithm === state.algorithm) return state.digest;
  return state.partCount === 0 ? digestOf(upload.loadTail(), algorithm) : null;
}

/** Makes an object of the tail, which has all bytes and hashes to `digest`. Each time another one: no key is used twice. */
async function storeTail(stores: Stores, upload: Upload, digest: Digest): Promise<void> {
  // It may have begun, and never got a part.
  await abortMultipart(stores, upload);
  const key = newObjectKey("blobs");
  upload.beginTailCommit(digest, key);
  await stores.objects.put(key, upload.loadTail());
}

/** Makes one object of the parts, and of the tail behind them. @param known its digest; null when only the object can tell */
async function joinParts(
  stores: Stores,
  upload: Upload,
  digest: Digest,
  known: Digest | null,
): Promise<CloseOutcome | null> {
  const key = await storeObject(stores, upload);
  if (key === null) return { kind: "unknown" };
  const read = known ?? (await readBack(stores, upload, key, algorithmOf(digest)));
  if (read === null) return { kind: "unknown" };
  if (read !== digest) return { kind: "mismatch" };
  upload.beginCommit(digest, upload.state.offset);
  return null;
}

/** @returns its key; null when the store has dropped the bytes */
async function storeObject({ db, objects }: Stores, upload: Upload): Promise<string | null> {
  const repeated = upload.state.phase === "storing";
  upload.beginStoring();
  const multipart = upload.multipart as Multipart;
  // The store may date the object by the beginning of its multipart upload, and that may be long ago.
  await registerPending(db, multipart.key, Date.now());
  if (repeated && (await objects.head(multipart.key)) !== null) return multipart.key;
  const parts = upload.parts();
  const tail = upload.loadTail();
  if (tail.byteLength > 0) {
    const last = await objects.putPart(multipart, parts.length + 1, tail);
    if (last === null) return null;
    parts.push(last);
  }
  return (await objects.completeMultipart(multipart, parts)) ? multipart.key : null;
}

async function readBack(
  { objects }: Stores,
  upload: Upload,
  key: string,
  algorithm: Algorithm,
): Promise<Digest | null> {
  return (await hashObject(objects, key, upload.state.offset, [algorithm]))?.[algorithm] ?? null;
}
