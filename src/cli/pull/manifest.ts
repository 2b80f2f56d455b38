/** A manifest as it came from a registry: its bytes, and what it names. */

import type { Digest } from "../../oci/digest.ts";
import { parseManifest } from "../../oci/manifest.ts";
import type { ManifestMediaType } from "../../oci/media-types.ts";

export interface NamedBlob {
  digest: Digest;
  /** Bytes. */
  size: number;
  /** Has urls: the registry need not have it. */
  elsewhere: boolean;
}

export interface PulledManifest {
  digest: Digest;
  mediaType: ManifestMediaType;
  bytes: Buffer;
  /** Each digest once. */
  blobs: NamedBlob[];
  /** What an index names. */
  manifests: Digest[];
}

/** @throws RegistryError when it is none that Berth knows */
export function readManifest(digest: Digest, bytes: Buffer, contentType: string | null): PulledManifest {
  const text = bytes.toString();
  // Some registries serve everything as JSON; the manifest itself may know better.
  const { mediaType, blobs, nonDistributable, manifests } = parseManifest(
    text,
    contentType === "application/json" ? null : contentType,
  );
  const sizes = sizesOf(JSON.parse(text));
  const named = (elsewhere: boolean) => (digest: Digest) => {
    return { digest, size: sizes.get(digest) ?? 0, elsewhere };
  };
  return {
    ...{ digest, mediaType, bytes, manifests },
    blobs: [...blobs.map(named(false)), ...nonDistributable.map(named(true))],
  };
}

/** Of config and layers; parseManifest has seen to it that they are descriptors. */
function sizesOf(json: {
  config?: { digest: string; size: number };
  layers?: { digest: string; size: number }[] | null;
}): Map<string, number> {
  const descriptors = [...(json.config ? [json.config] : []), ...(json.layers ?? [])];
  return new Map(descriptors.map(({ digest, size }) => [digest, size]));
}
