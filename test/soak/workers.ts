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
  } else if (
    world.wasMissing(
      repository,
      [config, ...layers].map(({ digest }) => digest),
      began,
    )
  ) {
    world.counts.overtaken++;
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
  let session = "";
  await upload(client, repository, digest, bytes, Math.random() < 0.5, (location) => {
    world.sessions.delete(session);
    session = location;
    world.sessions.add(session);
  });
  world.sessions.delete(session);
}

/** Pulls a live image whole, and hashes it. */
export async function pull(world: World, client: Client, image = world.pick()): Promise<void> {
  if (image === null) return;
  image.users++;
  const began = Date.now();
  try {
    const manifest = await client.send("GET", `/v2/${image.repository}/manifests/${image.digest}`);
    const text = await manifest.text();
    if (manifest.status !== 200 || sha256(text) !== image.digest) {
      return world.lose(`manifest ${image.repository}@${image.digest}: ${manifest.status}`);
    }
    for (const digest of image.blobs) {
      const blob = await client.send("GET", `/v2/${image.repository}/blobs/${digest}`);
      const bytes = new Uint8Array(await blob.arrayBuffer().catch(() => new ArrayBuffer(0)));
      if (world.wasMissing(image.repository, [digest], began)) continue;
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
  // Asked again, it may be gone already.
  const path = `/v2/${image.repository}/manifests/${image.digest}`;
  const { status } = await client.expect([202, 404], "DELETE", path);
  if (status === 404 && world.counts.refusals === 0) world.lose(`${path} before it was deleted`);
  world.counts.deletions++;
}

/** Pushes the manifest of a live image again, under another tag. */
export async function retag(world: World, client: Client): Promise<void> {
  const image = world.pick();
  if (image === null) return;
  await withImage(image, async () => {
    const { repository, text } = image;
    const began = Date.now();
    const pushed = client.putManifest(repository, anyTag(), text, { "Content-Type": OCI_MANIFEST });
    if ((await pushed).status === 400 && world.wasMissing(repository, image.blobs, began)) return;
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

/** Collects, as cron would, only far more often. @param database its binding */
export async function collect(world: World, client: Client, database = "DB"): Promise<void> {
  const response = await client.expect([200, 429], "POST", `/v2/_berth/gc?database=${database}`);
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

/**
 * An object vanishes from under a live image. Until it is pushed again, the registry may say that it is not there,
 * and nothing worse; one push, in any repository of its database, heals all images there that share it.
 */
export async function vandalise(world: World, client: Client): Promise<void> {
  const image = world.pick();
  const digest = image?.blobs[Math.floor(Math.random() * image.blobs.length)];
  const bytes = digest === undefined ? null : world.bytesOf(digest);
  if (image === null || digest === undefined || bytes === null) return;
  await withImage(image, async () => {
    const { repository } = image;
    const database = world.databaseOf(repository);
    world.vanish(repository, digest);
    await client.expect([200], "POST", `/soak/vanish?digest=${digest}&database=${database}`);
    const path = `/v2/${repository}/blobs/${digest}`;
    // 200 when somebody else has pushed it meanwhile.
    for (const method of ["GET", "HEAD"]) {
      const response = await client.expect([200, 404], method, path);
      await response.arrayBuffer().catch(() => {});
    }
    await upload(client, repository, digest, bytes, Math.random() < 0.5);
    world.heal(repository, digest);
    const isHealed = (other: Image) =>
      other.blobs.includes(digest) && world.databaseOf(other.repository) === database;
    for (const sharing of [...world.images].filter(isHealed)) {
      // Somebody may have deleted it while the ones before it were pulled.
      if (sharing === image || (sharing.users === 0 && world.images.has(sharing)))
        await pull(world, client, sharing);
    }
  });
}

/** The Durable Object of an upload is reset, wherever that stands. */
export async function reset(world: World, client: Client): Promise<void> {
  const session = choose([...world.sessions])
    ?.split("/")
    .at(-1);
  if (session === undefined) return;
  world.counts.resets++;
  await client.expect([200], "POST", `/soak/reset?session=${session}`);
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
