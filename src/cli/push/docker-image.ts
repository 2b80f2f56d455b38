/**
 * What docker save wrote before Docker 25: manifest.json, configs and layers, but no manifest as registries have
 * it. One is made here. The layers are pushed as they lie in the archive, uncompressed unless some other tool
 * has compressed them, so that their digests are those that the config names.
 */

import { createHash } from "node:crypto";
import { type Digest, digestOf, snapshot } from "../../oci/digest.ts";
import { MAX_MANIFEST_SIZE } from "../../oci/manifest.ts";
import { DOCKER_MANIFEST } from "../../oci/media-types.ts";
import { badInput } from "../failure.ts";
import type { Choice, Image, ImageBlob } from "./image.ts";
import { type FileRegion, type ImageFiles, readRegion, streamRegion } from "./image-files.ts";
import { compressionOf, readHead } from "./spool.ts";

const CONFIG = "application/vnd.docker.container.image.v1+json";
const LAYER = "application/vnd.docker.image.rootfs.diff.tar";

interface SavedImage {
  Config: string;
  RepoTags: string[] | null;
  Layers: string[];
}

interface Layer extends ImageBlob {
  mediaType: string;
}

/** @throws Failure */
export async function readDockerImage(files: ImageFiles, list: FileRegion, choice: Choice): Promise<Image> {
  const saved = chooseSaved(await readJson(files, list), files, choice);
  const region = await locate(files, saved.Config);
  const bytes = await readRegion(region, MAX_MANIFEST_SIZE);
  const config = { digest: digestOf(bytes, "sha256"), region, verified: true };
  // Named after its digest: abcd….json, or blobs/sha256/abcd….
  const named = /([0-9a-f]{64})(?:\.json)?$/.exec(saved.Config)?.[1];
  if (named !== undefined && config.digest !== `sha256:${named}`) {
    throw badInput(`${files.label} is damaged: its config ${saved.Config} is something else. Get it again.`);
  }
  const layers = await readLayers(files, saved, JSON.parse(bytes.toString())?.rootfs?.diff_ids);
  const manifest = writeManifest(config, layers);
  const blobs = [...new Map([config, ...layers].map((blob) => [blob.digest, blob])).values()];
  const digest = digestOf(manifest, "sha256");
  return { blobs, manifests: [{ digest, mediaType: DOCKER_MANIFEST, bytes: manifest }] };
}

function chooseSaved(list: unknown, files: ImageFiles, { image, platform, names }: Choice): SavedImage {
  if (!Array.isArray(list) || list.length === 0) throw badInput(`${files.label} holds no image.`);
  if (platform !== null) throw badInput(`${files.label} comes from docker save and has one platform only.`);
  const wanted = image === null ? names : [image];
  const named = list.find((saved: SavedImage) => saved.RepoTags?.some((tag) => wanted.includes(tag)));
  const chosen: Partial<SavedImage> | undefined =
    named ?? (list.length === 1 && image === null ? list[0] : undefined);
  if (chosen === undefined) {
    const known = list.flatMap((saved: SavedImage) => saved.RepoTags ?? []).join(", ");
    throw badInput(`${files.label} holds several images, or not this one: choose with --image, of ${known}.`);
  }
  const { Config, RepoTags = null, Layers } = chosen;
  if (typeof Config === "string" && Array.isArray(Layers)) return { Config, RepoTags, Layers };
  throw badInput(
    `${files.label} is no archive of docker save: its manifest.json says neither config nor layers.`,
  );
}

async function readLayers(files: ImageFiles, saved: SavedImage, diffIds: unknown): Promise<Layer[]> {
  if (!Array.isArray(diffIds) || diffIds.length !== saved.Layers.length) {
    throw badInput(`${files.label} is damaged: its config does not name as many layers as there are.`);
  }
  const layers: Layer[] = [];
  for (const [index, path] of saved.Layers.entries()) {
    layers.push(await readLayer(files, path, diffIds[index]));
  }
  return layers;
}

async function readLayer(files: ImageFiles, path: string, diffId: unknown): Promise<Layer> {
  const region = await locate(files, path);
  const compression = compressionOf(await readHead(region.path, region.offset));
  const hash = createHash("sha256");
  for await (const piece of streamRegion(region)) hash.update(piece);
  const digest: Digest = snapshot(hash, "sha256");
  if (compression === null && digest !== diffId) {
    throw badInput(
      `${files.label} is damaged: its layer ${path} is not what its config names. Get it again.`,
    );
  }
  return {
    digest,
    region,
    verified: true,
    mediaType: compression === null ? LAYER : `${LAYER}.${compression}`,
  };
}

function writeManifest(config: ImageBlob, layers: Layer[]): Buffer {
  const describe = (mediaType: string, { digest, region }: ImageBlob) => ({
    mediaType,
    size: region.size,
    digest,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: describe(CONFIG, config),
    layers: layers.map((layer) => describe(layer.mediaType, layer)),
  };
  return Buffer.from(JSON.stringify(manifest));
}

async function readJson(files: ImageFiles, region: FileRegion): Promise<unknown> {
  try {
    return JSON.parse((await readRegion(region, MAX_MANIFEST_SIZE)).toString());
  } catch (error) {
    if (error instanceof SyntaxError) throw badInput(`${files.label} is damaged: manifest.json is not JSON.`);
    throw error;
  }
}

async function locate(files: ImageFiles, path: unknown): Promise<FileRegion> {
  const region = typeof path === "string" ? await files.locate(path) : null;
  if (region === null)
    throw badInput(`${files.label} is damaged: it lacks ${JSON.stringify(path)}. Get it again.`);
  return region;
}
