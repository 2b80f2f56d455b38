/** Reads a manifest: what it is and what it names. It never asks whether any of that exists. */

import { type Digest, isDigest } from "./digest.ts";
import { RegistryError } from "./errors.ts";
import {
  isManifestMediaType,
  isSchema1,
  MANIFEST_MEDIA_TYPES,
  type ManifestMediaType,
  manifestKind,
} from "./media-types.ts";

/** The largest manifest accepted, in bytes: the specification asks for at least this much. */
export const MAX_MANIFEST_SIZE = 4 * 1024 * 1024;

/** What a manifest says, as far as a registry must know it. Digests are listed once each. */
export interface Manifest {
  mediaType: ManifestMediaType;
  /** Config and layers of an image manifest. */
  blobs: Digest[];
  /** Layers with `urls`: they may be kept elsewhere. */
  nonDistributable: Digest[];
  /** What an image index names. */
  manifests: Digest[];
  subject: Digest | null;
  /** What its descriptor in a referrers list says: its own, else an image's config media type. */
  artifactType: string | null;
  annotations: Record<string, string>;
}

type Json = Record<string, unknown>;

/**
 * @param text the manifest's bytes, decoded
 * @param contentType the request's Content-Type without parameters, null when it had none
 * @throws RegistryError MANIFEST_INVALID, saying what is wrong
 */
export function parseManifest(text: string, contentType: string | null): Manifest {
  const json = parseObject(text);
  const mediaType = mediaTypeOf(json, contentType);
  if (json.schemaVersion !== 2) throw invalid("schemaVersion must be 2");
  const manifest: Manifest = {
    mediaType,
    blobs: [],
    nonDistributable: [],
    manifests: [],
    subject: isAbsent(json.subject) ? null : descriptor(json.subject, "subject").digest,
    artifactType: mediaTypeField(json.artifactType, "artifactType"),
    annotations: annotationsOf(json),
  };
  if (manifestKind(mediaType) === "index") {
    manifest.manifests = unique(descriptors(json, "manifests").map((child) => child.digest));
  } else {
    readImage(json, manifest);
  }
  return manifest;
}

function readImage(json: Json, manifest: Manifest): void {
  const config = descriptor(json.config, "config");
  const layers = descriptors(json, "layers");
  const elsewhere = layers.filter((layer) => layer.hasUrls).map((layer) => layer.digest);
  const here = layers.filter((layer) => !layer.hasUrls).map((layer) => layer.digest);
  const required = new Set([config.digest, ...here]);
  manifest.blobs = [...required];
  manifest.nonDistributable = unique(elsewhere).filter((digest) => !required.has(digest));
  manifest.artifactType ??= config.mediaType;
}

function parseObject(text: string): Json {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalid(`not JSON: ${(error as Error).message}`);
  }
  if (!isObject(json)) throw invalid("a manifest is a JSON object");
  return json;
}

function mediaTypeOf(json: Json, contentType: string | null): ManifestMediaType {
  const own = mediaTypeField(json.mediaType, "mediaType");
  const mediaType = own ?? contentType;
  if (json.schemaVersion === 1 || (mediaType !== null && isSchema1(mediaType))) {
    throw invalid("Docker schema 1 manifests are not supported: push the image with a current client");
  }
  if (own !== null && contentType !== null && own !== contentType) {
    throw invalid(`the Content-Type is ${contentType}, but the manifest's mediaType is ${own}`);
  }
  if (mediaType === null) throw invalid("the media type is missing: send a Content-Type");
  if (!isManifestMediaType(mediaType)) {
    throw invalid(
      `unsupported media type ${mediaType.slice(0, 200)}: use one of ${MANIFEST_MEDIA_TYPES.join(", ")}`,
    );
  }
  return mediaType;
}

interface Descriptor {
  mediaType: string | null;
  digest: Digest;
  hasUrls: boolean;
}

function descriptors(json: Json, field: string): Descriptor[] {
  const list = json[field];
  if (list === null) return [];
  if (!Array.isArray(list)) throw invalid(`${field} must be a list of descriptors`);
  return list.map((entry, index) => descriptor(entry, `${field}[${index}]`));
}

function descriptor(value: unknown, field: string): Descriptor {
  if (!isObject(value)) throw invalid(`${field} must be a descriptor`);
  if (!isDigest(value.digest)) throw invalid(`${field}.digest must be a sha256 or sha512 digest`);
  if (!Number.isSafeInteger(value.size) || (value.size as number) < 0) {
    throw invalid(`${field}.size must be a number of bytes`);
  }
  return {
    mediaType: mediaTypeField(value.mediaType, `${field}.mediaType`),
    digest: value.digest,
    hasUrls: Array.isArray(value.urls) && value.urls.length > 0,
  };
}

function annotationsOf(json: Json): Record<string, string> {
  const { annotations } = json;
  if (isAbsent(annotations)) return {};
  if (!isObject(annotations) || Object.values(annotations).some((value) => typeof value !== "string")) {
    throw invalid("annotations must map strings to strings");
  }
  return annotations as Record<string, string>;
}

/** A media type; null when absent or empty: Go clients write a missing string as "". */
function mediaTypeField(value: unknown, field: string): string | null {
  if (isAbsent(value) || value === "") return null;
  if (typeof value !== "string") throw invalid(`${field} must be a string`);
  // RFC 6838, section 4.2: 127 characters on each side of the slash.
  if (value.length > 255) throw invalid(`${field} must have at most 255 characters`);
  return value;
}

/** Go clients write what is nil as null. */
function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unique(digests: Digest[]): Digest[] {
  return [...new Set(digests)];
}

function invalid(message: string): RegistryError {
  return new RegistryError("MANIFEST_INVALID", `invalid manifest: ${message}`);
}
