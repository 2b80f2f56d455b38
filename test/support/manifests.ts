/** Manifests of contents that are in memory: small, memorable, and valid. For Node and workerd alike. */

import type { Digest } from "../../src/oci/digest.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { type Content, sha256, sizeOf } from "./content.ts";

export const CONFIG = "application/vnd.oci.image.config.v1+json";
export const LAYER = "application/vnd.oci.image.layer.v1.tar";

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  artifactType?: string;
  annotations?: Record<string, string>;
  platform?: { os: string; architecture: string };
  [field: string]: unknown;
}

export function descriptorOf(content: Content, mediaType: string): Descriptor {
  return { mediaType, digest: sha256(content), size: sizeOf(content) };
}

/** An image manifest of these contents. */
export function imageOf(config: Content, layers: Content[], fields: object = {}) {
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
