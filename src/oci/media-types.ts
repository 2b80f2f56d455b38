/** The media types of manifests. */

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

/** What a manifest of each accepted media type is: an image manifest names blobs, an index names manifests. */
const KIND = {
  [OCI_MANIFEST]: "image",
  [OCI_INDEX]: "index",
  [DOCKER_MANIFEST]: "image",
  [DOCKER_MANIFEST_LIST]: "index",
} as const;

export type ManifestMediaType = keyof typeof KIND;

export const MANIFEST_MEDIA_TYPES = Object.keys(KIND) as readonly ManifestMediaType[];

export function isManifestMediaType(text: string): text is ManifestMediaType {
  return Object.hasOwn(KIND, text);
}

export function manifestKind(mediaType: ManifestMediaType): "image" | "index" {
  return KIND[mediaType];
}

export function isSchema1(mediaType: string): boolean {
  return /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/.test(mediaType);
}

/** A `Content-Type` without its parameters, in lower case. Null when there is none. */
export function essence(contentType: string | undefined): string | null {
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase();
  return type ? type : null;
}
