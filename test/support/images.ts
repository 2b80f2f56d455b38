/** Images built in memory: small, memorable, and valid. */

import type { Digest } from "../../src/oci/digest.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { pushBlob, putManifest, sha256 } from "./registry.ts";

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  [field: string]: unknown;
}

export function descriptorOf(content: string, mediaType: string): Descriptor {
  return { mediaType, digest: sha256(content), size: content.length };
}

export const CONFIG = "application/vnd.oci.image.config.v1+json";
export const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** An image manifest of these contents. */
export function imageOf(config: string, layers: string[], fields: object = {}) {
  return {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptorOf(config, CONFIG),
    layers: layers.map((layer) => descriptorOf(layer, LAYER)),
    ...fields,
  };
}

/** An image index of these manifests. */
export function indexOf(manifests: object[], fields: object = {}) {
  return {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: manifests.map((manifest) => manifestDescriptor(manifest)),
    ...fields,
  };
}

export function manifestDescriptor(manifest: object): Descriptor {
  const { mediaType } = manifest as { mediaType: string };
  return descriptorOf(JSON.stringify(manifest), mediaType);
}

export function digestOfManifest(manifest: object): Digest {
  return sha256(JSON.stringify(manifest));
}

/** Pushes blobs and manifest. @returns the manifest's digest */
export async function pushImage(
  name: string,
  reference: string | null,
  config: string,
  layers: string[],
  fields: object = {},
): Promise<Digest> {
  for (const content of [config, ...layers]) await pushBlob(name, content);
  const manifest = imageOf(config, layers, fields);
  const response = await putManifest(name, reference ?? digestOfManifest(manifest), manifest);
  if (response.status !== 201) throw new Error(`PUT answered ${response.status}: ${await response.text()}`);
  return digestOfManifest(manifest);
}
