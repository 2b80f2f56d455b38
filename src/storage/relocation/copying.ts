/** Copies a manifest to another database, with the blobs and tags that it needs there. Can be repeated. */

import type { Digest } from "../../oci/digest.ts";
import { parseManifest } from "../../oci/manifest.ts";
import type { RepositoryName } from "../../oci/reference.ts";
import type { Actor } from "../audit.ts";
import { commitBlob } from "../blob-push.ts";
import { putManifest } from "../manifest-push.ts";
import { getManifest } from "../manifests.ts";
import { mountBlob } from "../mount.ts";
import { listRepositoriesWithBlob } from "../repositories.ts";
import { copyObject } from "../scrub/copy.ts";
import type { Checked } from "../scrub/findings.ts";
import type { Stores } from "../stores.ts";
import { dateCopy, listLinked, type MovingBlob, type MovingManifest } from "./rows.ts";

export interface Removal {
  repository: RepositoryName;
  from: Stores;
  to: Stores;
  by: Actor;
}

/** @throws Unavailable, DatabaseFull; Error when a quota there has no room */
export async function copyManifest(removal: Removal, moving: MovingManifest): Promise<Checked> {
  const { repository, from, to, by } = removal;
  const { digest, tags } = moving;
  const found = await getManifest(from, repository, digest, false);
  if (found === null) return lacking(removal, moving, [digest]);
  const bytes = new Uint8Array(await new Response(found.content).arrayBuffer());
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  const manifest = parseManifest(text, found.mediaType);
  const { missing, copied } = await copyBlobs(removal, [...manifest.blobs, ...manifest.nonDistributable]);
  const needed = missing.filter((blob) => manifest.blobs.includes(blob));
  if (needed.length > 0) return lacking(removal, moving, needed);
  const pushed = { manifest, digest, bytes, text, tags: tags.map(({ name }) => name) };
  // What an index names may come behind it.
  const outcome = await putManifest(to, repository, pushed, true, by, Date.now());
  if (outcome.kind !== "accepted")
    throw new Error(`${repository}@${digest} is not accepted by ${to.name}: ${JSON.stringify(outcome)}`);
  await dateCopy(to.db, repository, moving);
  return { bytes: bytes.byteLength + copied, findings: [], moved: true };
}

/** @returns `copied`: bytes; `missing`: what is not there to be copied */
async function copyBlobs(
  removal: Removal,
  digests: Digest[],
): Promise<{ copied: number; missing: Digest[] }> {
  const { repository, from, to } = removal;
  const there = new Set((await listLinked(to.db, repository, digests)).map(({ digest }) => digest));
  const wanted = digests.filter((digest) => !there.has(digest));
  if (wanted.length === 0) return { copied: 0, missing: [] };
  const blobs = await listLinked(from.db, repository, wanted);
  const here = new Set(blobs.map(({ digest }) => digest));
  const missing = wanted.filter((digest) => !here.has(digest));
  let copied = 0;
  for (const blob of blobs) {
    if (await mounted(removal, blob.digest)) continue;
    if (await copyBlob(removal, blob)) copied += blob.size;
    else missing.push(blob.digest);
  }
  return { copied, missing };
}

/** Whether another repository there has it. */
async function mounted({ repository, to, by }: Removal, digest: Digest): Promise<boolean> {
  const [holder] = await listRepositoriesWithBlob(to.db, digest, 0, 1);
  if (holder === undefined) return false;
  const outcome = await mountBlob(to.db, digest, holder.name, repository, by, Date.now());
  return outcome === true;
}

/** @returns false when it is gone, or not what its row says: a scrub finds that out */
async function copyBlob({ repository, from, to, by }: Removal, blob: MovingBlob): Promise<boolean> {
  const { digest, size } = blob;
  const key = await copyObject({ objects: from.objects, key: blob.object_key }, to, "blobs", size, digest);
  if (key === null) return false;
  const outcome = await commitBlob(to, repository, { key, digest, size }, by, Date.now());
  if (outcome !== "committed")
    throw new Error(`${digest} is not accepted by ${to.name}: ${JSON.stringify(outcome)}`);
  return true;
}

function lacking({ repository }: Removal, { digest, tags }: MovingManifest, missing: Digest[]): Checked {
  const names = tags.map(({ name }) => name);
  return { bytes: 0, findings: [{ outcome: "damaged", repository, digest, tags: names, missing }] };
}
