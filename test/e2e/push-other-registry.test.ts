/** The uploader at another registry: distribution's own (`registry:2`), whose Locations carry its state. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { getManifest, hashBlob, headManifest } from "./support/api.ts";
import { ContainerTools } from "./support/containers.ts";
import { startDistribution } from "./support/distribution.ts";
import { berth, startEdge, startFrayedLine, startRelay } from "./support/edge.ts";
import type { Service } from "./support/service.ts";
import { docker, host, image, workspace } from "./support/shared.ts";

const folder = mkdtempSync(join(workspace, "other-"));
const layout = join(folder, "layout");
const tools = new ContainerTools(workspace);
const services: Service[] = [];
let other = "";
let digest = "";

async function startOther(storage?: string): Promise<string> {
  const { host, service } = await startDistribution(folder, storage);
  services.push(service);
  return host;
}

async function expectWhole(name: string): Promise<void> {
  const { config, layers } = await getManifest(other, name, digest);
  for (const { digest, size } of [config, ...layers]) {
    expect(await hashBlob(other, name, digest)).toEqual({ digest, size });
  }
}

beforeAll(async () => {
  await docker.push(image.name, `${host}/other/source:1`);
  digest = await tools.copy(`docker://${host}/other/source:1`, `oci:${layout}:1`);
  other = await startOther();
});
afterAll(async () => {
  for (const service of services) await service.stop();
});

describe("distribution's registry", () => {
  it("takes a push in chunks, past the edge", async () => {
    const edge = await startEdge(workspace, other);
    services.push(edge.service);
    const { code, stderr } = await berth(["push", layout, `${edge.host}/pushed:1`], folder);
    expect(code, stderr).toBe(0);
    expect((await headManifest(other, "pushed", "1")).digest).toBe(digest);
    await expectWhole("pushed");
  });

  it("takes what the relay brings, past the edge", async () => {
    const edge = await startEdge(workspace, other);
    const relay = await startRelay(workspace, edge.host);
    services.push(edge.service, relay.service);
    expect(await tools.copy(`oci:${layout}:1`, `docker://${relay.host}/relayed:1`)).toBe(digest);
    await expectWhole("relayed");
  });

  it("drops a session when a chunk breaks off; the push begins the blob anew, and ends well", async () => {
    const line = await startFrayedLine(other, [20_000_000, 30_000_000]);
    const { code, stderr } = await berth(["push", layout, `${line.host}/frayed:1`], folder);
    expect(code, stderr).toBe(0);
    expect(line.cuts()).toBe(2);
    await expectWhole("frayed");
    line.close();
  });

  it("with a full disk is one clear message, and nothing under the tag", async () => {
    const storage = join(folder, "full");
    mkdirSync(storage);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", storage]);
    try {
      const full = await startOther(storage);
      const { code, stdout, stderr } = await berth(["push", layout, `${full}/full:1`], folder);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr.trim().split("\n").at(-1)).toMatch(
        /^berth: 127.0.0.1:\d+ refuses .*: 5\d\d .* Is its storage full\? Run the same command again to go on\.$/,
      );
      expect((await headManifest(full, "full", "1")).status).toBe(404);
    } finally {
      execFileSync("umount", ["--lazy", storage]);
    }
  });
});
