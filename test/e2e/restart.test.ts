/** The registry ends, in order or not, and goes on from its state on disk. */

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  closeUpload,
  hashBlob,
  headManifest,
  patchUpload,
  sha256,
  startUpload,
  uploadOffset,
} from "./support/api.ts";
import { startDocker } from "./support/docker.ts";
import { faultsIn, type Registry, startRegistry } from "./support/registry.ts";
import { docker, image, workspace } from "./support/shared.ts";

const name = "restarted/image";
const FIRST = 9_000_001;
const SECOND = 12_500_003;

describe("a registry that is killed", () => {
  const body = randomBytes(25_000_003);
  const digest = sha256(body);
  const logs: string[] = [];
  let registry: Registry;
  let pushed = "";

  beforeAll(async () => {
    registry = await startRegistry(workspace);
    pushed = await docker.push(image.name, `${registry.host}/${name}:1`);
  });
  afterAll(() => registry.service.stop());

  /** As after a power cut: workerd and all are gone at once. */
  async function killAndRestart(): Promise<void> {
    await registry.service.kill();
    logs.push(registry.service.log);
    registry = await startRegistry(workspace, registry);
  }

  it("goes on with an upload between two chunks", async () => {
    const { host } = registry;
    const location = await startUpload(host, name);
    await patchUpload(host, location, body.subarray(0, FIRST), 0);
    await killAndRestart();
    expect(await uploadOffset(host, location)).toBe(FIRST);
    await patchUpload(host, location, body.subarray(FIRST, SECOND), FIRST);
    await killAndRestart();
    expect(await uploadOffset(host, location)).toBe(SECOND);
    await patchUpload(host, location, body.subarray(SECOND), SECOND);
    await closeUpload(host, location, digest);
    expect(await hashBlob(host, name, digest)).toEqual({ digest, size: body.byteLength });
  });

  it("closes an upload whose bytes were all there", async () => {
    const { host } = registry;
    const other = randomBytes(7_000_001);
    const location = await startUpload(host, name);
    await patchUpload(host, location, other, 0);
    await killAndRestart();
    await closeUpload(host, location, sha256(other));
    expect(await hashBlob(host, name, sha256(other))).toEqual({ digest: sha256(other), size: 7_000_001 });
  });

  it("in the middle of a chunk keeps at least what it had acknowledged", async () => {
    const { host } = registry;
    const other = randomBytes(60_000_001);
    const location = await startUpload(host, name);
    await patchUpload(host, location, other.subarray(0, FIRST), 0);
    const chunk = patchUpload(host, location, other.subarray(FIRST), FIRST).catch(() => {});
    await sleep(100);
    await killAndRestart();
    await chunk;

    const offset = await uploadOffset(host, location);
    expect(offset).toBeGreaterThanOrEqual(FIRST);
    await patchUpload(host, location, other.subarray(offset), offset);
    await closeUpload(host, location, sha256(other));
    expect(await hashBlob(host, name, sha256(other))).toEqual({ digest: sha256(other), size: 60_000_001 });
  });

  it("still has every image", async () => {
    expect(await headManifest(registry.host, name, "1")).toMatchObject({ status: 200, digest: pushed });
    const elsewhere = await startDocker(workspace);
    try {
      const ref = `${registry.host}/${name}:1`;
      await elsewhere.docker.run("pull", "--quiet", ref);
      expect(await elsewhere.docker.run("run", "--rm", "--network", "none", ref)).toBe(image.output);
    } finally {
      await elsewhere.service.stop();
    }
  });

  it("still has every image after it was stopped in order, and started again", async () => {
    await registry.service.stop("SIGINT");
    logs.push(registry.service.log);
    registry = await startRegistry(workspace, registry);
    expect(await headManifest(registry.host, name, "1")).toMatchObject({ status: 200, digest: pushed });
    expect(await hashBlob(registry.host, name, digest)).toEqual({ digest, size: body.byteLength });
  });

  it("leaves no server error, uncaught error or stack trace in its log", () => {
    for (const log of [...logs, registry.service.log]) expect(faultsIn(log)).toEqual([]);
  });
});
