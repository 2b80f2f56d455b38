/**
 * The memory of one isolate, which Cloudflare gives 128 MB for the Worker and all Durable Objects that it puts there:
 * asked of V8 inside workerd, as the size of the process is mostly the simulator's.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256 } from "../support/content.ts";
import { startWatchedRegistry, type WatchedRegistry } from "./support/heap.ts";
import { AUTHORIZATION } from "./support/login.ts";

const MIB = 1024 * 1024;

/** What Cloudflare allows. Bytes. */
const LIMIT = 128e6;

const UPLOADS = 10;

/** Of each upload: three parts and a rest. Bytes. */
const SIZE = 25 * MIB;

const FIRST = 7 * MIB;

const workspace = mkdtempSync(join(tmpdir(), "berth-memory-"));
let registry: WatchedRegistry;

beforeAll(async () => {
  registry = await startWatchedRegistry(workspace);
});

afterAll(async () => {
  registry?.heap.close();
  await registry?.service.stop();
  rmSync(workspace, { recursive: true, force: true });
});

/** A body of unknown length, as docker's, that all uploads send at the same pace. */
function body(seed: number, length: number): ReadableStream<Uint8Array> {
  let left = length;
  return new ReadableStream({
    async pull(controller) {
      if (left === 0) return controller.close();
      const piece = new Uint8Array(Math.min(left, 256 * 1024)).fill(seed);
      left -= piece.byteLength;
      controller.enqueue(piece);
      await sleep(1);
    },
  });
}

async function upload(seed: number): Promise<number> {
  const headers = { Authorization: AUTHORIZATION };
  const started = await fetch(`http://${registry.host}/v2/a/blobs/uploads/`, { method: "POST", headers });
  const location = new URL(started.headers.get("Location") ?? "", `http://${registry.host}`);
  // The first chunk leaves a tail that is nearly a part: the second begins with it.
  for (const [length, end] of [
    [FIRST, FIRST],
    [SIZE - FIRST, SIZE],
  ] as const) {
    const init = { method: "PATCH", headers, body: body(seed, length), duplex: "half" };
    const patched = await fetch(location, init as RequestInit);
    expect([patched.status, patched.headers.get("Range")]).toEqual([202, `0-${end - 1}`]);
  }
  location.searchParams.set("digest", sha256(new Uint8Array(SIZE).fill(seed)));
  return (await fetch(location, { method: "PUT", headers })).status;
}

test("ten uploads at once stay within an isolate's memory, and none is refused", async () => {
  const { heap } = registry;
  await heap.collect();
  const before = await heap.used();
  let statuses: number[] = [];
  const peak = await heap.peakDuring(async () => {
    statuses = await Promise.all(Array.from({ length: UPLOADS }, (_, index) => upload(index + 1)));
  });
  console.log(`before ${(before / 1e6).toFixed(1)} MB, peak ${(peak / 1e6).toFixed(1)} MB`);
  expect(statuses).toEqual(Array(UPLOADS).fill(201));
  // It was watched at all: parts were seen on their way.
  expect(peak).toBeGreaterThan(before + 16 * MIB);
  expect(peak).toBeLessThan(LIMIT);
});
