/** Who is at work during the soak. Each function is one round of one of them. */

import { setTimeout as sleep } from "node:timers/promises";
import { OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { answered, type Client } from "../support/client.ts";
import { sha256 } from "../support/content.ts";
import { imageOf } from "../support/manifests.ts";
import { abandon, upload } from "./client.ts";
import { type Image, REPOSITORIES, type World } from "./world.ts";

const TAGS = 12;

/** Few enough that most layers are used by none now and then: those a collection may take, and a push want back. */
const FEW_IMAGES = 8;

/**
 * Pushes an image as docker does: HEAD, upload or mount what is missing, then the manifest, within the time that
 * a HEAD vouches for.
 * @param vouched how long after a HEAD, upload or mount the blob is safe. Milliseconds.
 */
export async function push(world: World, client: Client, vouched: number): Promise<void> {
  const repository = choose(REPOSITORIES);
  const began = Date.now();
  const config = world.newConfig();
  const layers = world.randomLayers().map((index) => world.layer(index));
  for (const blob of [config, ...layers]) await provide(world, client, repository, blob);

  const manifest = imageOf(
    config.bytes,
    layers.map(({ bytes }) => bytes),
  );
  const text = JSON.stringify(manifest);
  const response = await client.putManifest(repository, anyTag(), manifest);
  if (response.status === 201) {
    world.counts.pushes++;
    const blobs = [config, ...layers].map(({ digest }) => digest);
    world.images.add({ repository, digest: sha256(text), text, blobs, users: 0 });
  } else if (Date.now() - began > vouched) {
    world.counts.tooSlow++;
  } else {
    world.lose(`a push to ${repository} was refused: ${response.status} ${await response.text()}`);
  }
}

async function provide(
  world: World,
  client: Client,
  repository: string,
  { digest, bytes }: { digest: string; bytes: Buffer },
): Promise<void> {
  const head = await client.expect([200, 404], "HEAD", `/v2/${repository}/blobs/${digest}`);
  if (head.status === 200) {
    world.counts.skipped++;
    return;
  }
  if (Math.random() < 0.3) {
    const query = `?mount=${digest}&from=${choose(REPOSITORIES)}`;
    const mounted = await client.expect([201, 202], "POST", `/v2/${repository}/blobs/uploads/${query}`);
    if (mounted.status === 201) {
      world.counts.mounts++;
      return;
    }
  }
  if (Math.random() < 0.1) {
    world.counts.aborts++;
    await abandon(client, repository, bytes);
  }
  await upload(client, repository, digest, bytes, Math.random() < 0.5);
}

/** Pulls a live image whole, and hashes it. */
export async function pull(world: World, client: Client, image = world.pick()): Promise<void> {
  if (image === null) return;
  image.users++;
  try {
    const manifest = await client.send("GET", `/v2/${image.repository}/manifests/${image.digest}`);
    const text = await manifest.text();
    if (manifest.status !== 200 || sha256(text) !== image.digest) {
      return world.lose(`manifest ${image.repository}@${image.digest}: ${manifest.status}`);
    }
    for (const digest of image.blobs) {
      const blob = await client.send("GET", `/v2/${image.repository}/blobs/${digest}`);
      const bytes = new Uint8Array(await blob.arrayBuffer());
      if (blob.status !== 200 || sha256(bytes) !== digest) {
        return world.lose(`blob ${image.repository}@${digest} of ${image.digest}: ${blob.status}`);
      }
    }
    world.counts.pulls++;
  } finally {
    image.users--;
  }
}

/** Deletes a live image. From the moment of asking on it is nobody's loss. */
export async function remove(world: World, client: Client): Promise<void> {
  const image = world.images.size > FEW_IMAGES ? world.pick() : null;
  if (image === null) return;
  world.images.delete(image);
  await client.expect([202], "DELETE", `/v2/${image.repository}/manifests/${image.digest}`);
  world.counts.deletions++;
}

/** Pushes the manifest of a live image again, under another tag. */
export async function retag(world: World, client: Client): Promise<void> {
  const image = world.pick();
  if (image === null) return;
  await withImage(image, async () => {
    const { repository, text } = image;
    const pushed = client.putManifest(repository, anyTag(), text, { "Content-Type": OCI_MANIFEST });
    await answered([201], pushed, `PUT ${repository}@${image.digest}`);
    world.counts.retags++;
  });
}

async function withImage(image: Image, work: () => Promise<void>): Promise<void> {
  image.users++;
  try {
    await work();
  } finally {
    image.users--;
  }
}

/** Collects, as cron would, only far more often. */
export async function collect(world: World, client: Client): Promise<void> {
  const response = await client.expect([200, 429], "POST", "/v2/_berth/gc");
  if (response.status === 429) return;
  const report = (await response.json()) as {
    outcome: string;
    objectsDeleted: number;
    taken: Record<string, { bytes: number }>;
  };
  world.collections.runs++;
  world.collections.objects += report.objectsDeleted;
  for (const { bytes } of Object.values(report.taken)) world.collections.bytes += bytes;
  if (report.outcome === "failed") world.collections.failures++;
}

/** Repeats `round` until `until` (milliseconds since the epoch), with a pause between. */
export async function repeat(until: number, pause: number, round: () => Promise<void>): Promise<void> {
  while (Date.now() < until) {
    await round();
    await sleep(pause * (0.5 + Math.random()));
  }
}

function anyTag(): string {
  return `t${Math.floor(Math.random() * TAGS)}`;
}

function choose<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] as T;
}
