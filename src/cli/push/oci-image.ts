/** An OCI image layout (image specification, "image-layout"): index.json, and blobs by their digests. */

import { algorithmOf, type Digest, digestOf, hexOf, isDigest } from "../../oci/digest.ts";
import { RegistryError } from "../../oci/errors.ts";
import { MAX_MANIFEST_SIZE, type Manifest, parseManifest } from "../../oci/manifest.ts";
import { OCI_INDEX } from "../../oci/media-types.ts";
import { badInput } from "../failure.ts";
import type { Choice, Image } from "./image.ts";
import { type FileRegion, type ImageFiles, readRegion } from "./image-files.ts";

interface Descriptor {
  digest: Digest;
  mediaType: string;
  platform: string | null;
  names: string[];
}

/** @throws Failure */
export async function readOciImage(files: ImageFiles, index: FileRegion, choice: Choice): Promise<Image> {
  const bytes = await readRegion(index, MAX_MANIFEST_SIZE);
  const image: Image = { blobs: [], manifests: [] };
  let root = chooseRoot(readDescriptors(bytes, files), files, choice);
  if (choice.platform !== null) root = await choosePlatform(root, bytes, files, choice.platform);
  if (root === null)
    await collect(files, image, bytes, { digest: digestOf(bytes, "sha256"), mediaType: OCI_INDEX });
  else await collect(files, image, await readManifest(files, root), root);
  return image;
}

/** @returns null when index.json itself is the image, with an entry for each platform */
function chooseRoot(entries: Descriptor[], files: ImageFiles, { image, names }: Choice): Descriptor | null {
  const wanted = image === null ? names : [image];
  const named = entries.filter((entry) => entry.names.some((name) => wanted.includes(name)));
  const found = new Map((named.length > 0 ? named : entries).map((entry) => [entry.digest, entry]));
  const [only] = found.values();
  if (only === undefined) throw badInput(`${files.label} holds no image.`);
  if (found.size === 1 && (image === null || named.length > 0)) return only;
  const known = [...new Set(entries.flatMap((entry) => entry.names))];
  if (known.length === 0 && image === null) return null;
  throw badInput(
    image === null
      ? `${files.label} holds several images: choose one with --image, of ${known.join(", ")}.`
      : `${files.label} holds no image called ${image}: it has ${known.join(", ") || "none with a name"}.`,
  );
}

async function choosePlatform(
  root: Descriptor | null,
  index: Buffer,
  files: ImageFiles,
  platform: string,
): Promise<Descriptor> {
  const entries = readDescriptors(root === null ? index : await readManifest(files, root), files);
  const found = entries.find((entry) => entry.platform === platform);
  if (found !== undefined) return found;
  const known = entries.map((entry) => entry.platform).filter((name) => name !== null);
  throw badInput(
    `${files.label} has nothing for ${platform}: it has ${known.join(", ") || "one platform only"}.`,
  );
}

/** Adds a manifest to the image, after all that it names. */
async function collect(
  files: ImageFiles,
  image: Image,
  bytes: Buffer,
  { digest, mediaType }: Pick<Descriptor, "digest" | "mediaType">,
): Promise<void> {
  const manifest = parse(bytes, mediaType, files);
  for (const child of readDescriptors(bytes, files)) {
    if (image.manifests.some(({ digest }) => digest === child.digest)) continue;
    await collect(files, image, await readManifest(files, child), child);
  }
  for (const blob of [...manifest.blobs, ...manifest.nonDistributable]) {
    if (image.blobs.some((known) => known.digest === blob)) continue;
    const region = await files.locate(blobPath(blob));
    if (region !== null) image.blobs.push({ digest: blob, region, verified: false });
    // Layers with urls may be kept elsewhere.
    else if (manifest.blobs.includes(blob)) {
      throw badInput(`${files.label} lacks the blob ${blob}. Get it again.`);
    }
  }
  image.manifests.push({ digest, mediaType: manifest.mediaType, bytes });
}

async function readManifest(files: ImageFiles, { digest, platform }: Descriptor): Promise<Buffer> {
  const region = await files.locate(blobPath(digest));
  if (region === null) {
    const which = platform === null ? digest : `${platform} (${digest})`;
    throw badInput(`${files.label} lacks ${which}, which its index names: push what it has with --platform.`);
  }
  const bytes = await readRegion(region, MAX_MANIFEST_SIZE);
  if (digestOf(bytes, algorithmOf(digest)) === digest) return bytes;
  throw badInput(`${files.label} is damaged: what it has as ${digest} is something else. Get it again.`);
}

function parse(bytes: Buffer, mediaType: string, files: ImageFiles): Manifest {
  try {
    return parseManifest(bytes.toString(), mediaType === "" ? null : mediaType);
  } catch (error) {
    if (error instanceof RegistryError) throw badInput(`${files.label}: ${error.message}.`);
    throw error;
  }
}

/** What an index names; nothing for an image manifest. @throws Failure */
function readDescriptors(bytes: Buffer, files: ImageFiles): Descriptor[] {
  let json: { manifests?: unknown };
  try {
    json = JSON.parse(bytes.toString());
  } catch {
    throw badInput(`${files.label} is damaged: a manifest is not JSON.`);
  }
  if (json?.manifests === undefined) return [];
  if (Array.isArray(json.manifests)) return json.manifests.map((entry) => descriptor(entry, files));
  throw badInput(`${files.label}: manifests is no list.`);
}

// biome-ignore lint/suspicious/noExplicitAny: parsed JSON, checked field by field
function descriptor(entry: any, files: ImageFiles): Descriptor {
  if (!isDigest(entry?.digest)) throw badInput(`${files.label}: its index names something without a digest.`);
  const { os, architecture, variant } = entry.platform ?? {};
  const names = ["org.opencontainers.image.ref.name", "io.containerd.image.name"]
    .map((key) => entry.annotations?.[key])
    .filter((name) => typeof name === "string");
  return {
    digest: entry.digest,
    mediaType: typeof entry.mediaType === "string" ? entry.mediaType : "",
    platform: os ? [os, architecture, variant].filter(Boolean).join("/") : null,
    names,
  };
}

function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}
