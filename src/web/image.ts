/** Everything that a page says of one manifest, read from the stores. */

import type { Access } from "../auth/access.ts";
import type { Digest } from "../oci/digest.ts";
import { isDigestReference, parseReference, type RepositoryName, type Tag } from "../oci/reference.ts";
import { getBlob } from "../storage/blobs.ts";
import { lookAround, type Surroundings } from "../storage/browse/image.ts";
import { type DescribedTag, describeTags, findTags } from "../storage/browse/tags.ts";
import { getManifest, type ManifestInfo } from "../storage/manifests.ts";
import type { Stores } from "../storage/stores.ts";
import { notThere } from "./access.ts";
import { cosignTags, type Mark, marksOf } from "./marks.ts";
import {
  readConfig,
  readManifest,
  type ShownConfig,
  type ShownDescriptor,
  type ShownManifest,
} from "./oci-json.ts";

/** The largest configuration that is read. Bytes. */
const MAX_CONFIG = 1024 * 1024;

/** Of how many layers it is said where else they are. */
const MAX_LAYERS = 200;

export interface Image {
  info: ManifestInfo;
  /** By which it was asked for; null by its digest. */
  tag: DescribedTag | null;
  text: string;
  manifest: ShownManifest;
  /** Null where it has none, or it cannot be read. */
  config: ShownConfig | null;
  around: Surroundings;
  marks: Mark[];
  /** Config and layers, each once. Bytes. */
  bytes: number;
}

/**
 * A manifest of a repository by tag or digest.
 * @throws RegistryError when it is not there
 */
export async function loadImage(
  stores: Stores,
  access: Access,
  name: RepositoryName,
  reference: string,
): Promise<Image> {
  const parsed = parseReference(reference);
  const { info, text } = await readText(stores, name, reference);
  const manifest = readManifest(text);
  if (manifest === null) throw notThere();
  const layers = [...new Set(manifest.layers.map(({ digest }) => digest))].slice(0, MAX_LAYERS);
  const signatures = cosignTags(info.digest).map(([, tag]) => tag);
  const [around, config, existing, described] = await Promise.all([
    lookAround(stores.db, name, info.digest, layers),
    loadConfig(stores, name, manifest.config),
    findTags(stores.db, name, signatures),
    isDigestReference(parsed) ? [] : describeTags(stores.db, name, [parsed as Tag]),
  ]);
  const referrers = around.referrers
    .filter(({ subject }) => subject === info.digest)
    .map(({ artifactType }) => artifactType);
  return {
    info,
    tag: described[0] ?? null,
    text,
    manifest,
    config,
    around: { ...around, elsewhere: visible(around.elsewhere, access) },
    marks: marksOf(info.digest, referrers, existing, manifest),
    bytes: weigh(manifest),
  };
}

/** A manifest's exact bytes, 4 MiB at most, as a text. @throws RegistryError when it is not there */
export async function readText(
  stores: Stores,
  name: RepositoryName,
  reference: string,
): Promise<{ info: ManifestInfo; text: string }> {
  const found = await getManifest(stores, name, parseReference(reference), false);
  if (found === null) throw notThere();
  const { content, ...info } = found;
  return { info, text: typeof content === "string" ? content : await new Response(content).text() };
}

/** What the caller may not pull from is left out. */
function visible(elsewhere: Surroundings["elsewhere"], access: Access): Surroundings["elsewhere"] {
  return new Map(
    [...elsewhere].map(([digest, names]) => [digest, names.filter((name) => access.may("pull", name))]),
  );
}

async function loadConfig(
  stores: Stores,
  name: RepositoryName,
  descriptor: ShownDescriptor | null,
): Promise<ShownConfig | null> {
  if (descriptor === null || !isImageConfig(descriptor.mediaType) || descriptor.size > MAX_CONFIG)
    return null;
  const text = await readBlobText(stores, name, descriptor.digest, MAX_CONFIG);
  return text === null ? null : readConfig(text);
}

/** Of what is run, and has settings. */
export function isImageConfig(mediaType: string): boolean {
  return (
    mediaType === "application/vnd.oci.image.config.v1+json" ||
    mediaType === "application/vnd.docker.container.image.v1+json"
  );
}

/** A small blob as a text; null when it is not there, or larger than its descriptor may say. @param limit bytes */
async function readBlobText(
  stores: Stores,
  name: RepositoryName,
  digest: Digest,
  limit: number,
): Promise<string | null> {
  const blob = await getBlob(stores, { edge: null, redirectFrom: null }, name, digest, (size) =>
    size > limit ? { offset: 0, length: 1 } : null,
  );
  if (blob === null || blob.kind !== "content") return null;
  const text = await new Response(blob.body).text();
  return blob.size > limit ? null : text;
}

function weigh({ config, layers }: ShownManifest): number {
  const sizes = new Map(
    [config, ...layers].filter((each) => each !== null).map(({ digest, size }) => [digest, size]),
  );
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
