/** Manifests to change a field of. Their digests are digests of nothing: nobody looks. */

import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { CONFIG } from "../support/manifests.ts";

export const A = `sha256:${"a".repeat(64)}`;
export const B = `sha256:${"b".repeat(64)}`;
export const C = `sha256:${"c".repeat(64)}`;
export const D = `sha256:${"d".repeat(64)}`;

/** @param fields a field that is undefined is left out */
export function descriptor(digest: string, fields: object = {}): object {
  return { mediaType: "application/octet-stream", digest, size: 1, ...fields };
}

export const IMAGE = {
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: descriptor(A, { mediaType: CONFIG }),
  layers: [descriptor(B), descriptor(C)],
};

export const INDEX = {
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests: [descriptor(B, { mediaType: OCI_MANIFEST }), descriptor(C, { mediaType: OCI_MANIFEST })],
};
