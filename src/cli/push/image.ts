/** An image as it is to be pushed: the blobs first, then the manifests, what is named before what names it. */

import { createHash } from "node:crypto";
import { algorithmOf, type Digest, hexOf, snapshot } from "../../oci/digest.ts";
import type { ManifestMediaType } from "../../oci/media-types.ts";
import { badInput } from "../failure.ts";
import { type FileRegion, streamRegion } from "./image-files.ts";

export interface ImageBlob {
  digest: Digest;
  region: FileRegion;
  /** Whether the bytes are known to hash to the digest. */
  verified: boolean;
}

export interface ImageManifest {
  digest: Digest;
  mediaType: ManifestMediaType;
  bytes: Buffer;
}

export interface Image {
  /** Each digest once. */
  blobs: ImageBlob[];
  /** Those that others name come first; the last one gets the tag. */
  manifests: ImageManifest[];
}

/** Which image of several is meant. */
export interface Choice {
  /** The name that the archive has for it; null when not told. */
  image: string | null;
  /** Like linux/arm64; null for all. */
  platform: string | null;
  /** Names that say it without being told: those of the target. */
  names: readonly string[];
}

/** @throws Failure when the bytes are not what their digest says */
export async function verifyBlob(blob: ImageBlob, label: string): Promise<void> {
  if (blob.verified) return;
  const hash = createHash(algorithmOf(blob.digest));
  for await (const piece of streamRegion(blob.region)) hash.update(piece);
  if (snapshot(hash, algorithmOf(blob.digest)) !== blob.digest) {
    throw badInput(`${label} is damaged: what it has as ${blob.digest} is something else. Get it again.`);
  }
  blob.verified = true;
}

/** Like sha256:0123456789ab. */
export function shorten(digest: Digest): string {
  return `${algorithmOf(digest)}:${hexOf(digest).slice(0, 12)}`;
}
