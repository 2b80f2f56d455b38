/** Layers larger than the edge lets through, pushed by unmodified clients through `berth relay`. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { getManifest, hashBlob, headManifest } from "./support/api.ts";

import { Containerd } from "./support/containerd.ts";
import { ContainerTools } from "./support/containers.ts";
import { type Edge, type Relay, startEdge, startFrayedLine, startRelay } from "./support/edge.ts";
import { faultsIn, type Registry, startRegistry } from "./support/registry.ts";
import type { Service } from "./support/service.ts";
import { docker, host, image, workspace } from "./support/shared.ts";

const services: Service[] = [];
let registry: Registry;
let edge: Edge;

/** A relay of its own for each client: they note by host which blobs they have pushed, and would mount them. */
async function relay(): Promise<Relay> {
  const started = await startRelay(workspace, edge.host);
  services.push(started.service);
  return started;
}

/** How many chunks the edge saw on their way to a repository. */
function chunksOf(name: string): number {
  return edge.requests().filter((line) => line.startsWith(`PATCH /v2/${name}/`) && line.endsWith(" 202"))
    .length;
}

/** @throws unless the registry serves every blob of the image as what its descriptor says */
async function expectWhole(name: string, digest: string): Promise<void> {
  const { config, layers } = await getManifest(registry.host, name, digest);
  for (const { digest, size } of [config, ...layers]) {
    expect(await hashBlob(registry.host, name, digest)).toEqual({ digest, size });
  }
}

beforeAll(async () => {
  registry = await startRegistry(workspace);
  edge = await startEdge(workspace, registry.host);
  services.push(edge.service);
});
afterAll(async () => {
  for (const service of services) await service.stop();
  expect(faultsIn(registry.service.log)).toEqual([]);
  await registry.service.stop();
});

describe("a layer of 80 MiB, where the edge lets 10 MiB through", () => {
  it("fails without the relay, with an error that says 413", async () => {
    await expect(docker.push(image.name, `${edge.host}/direct/docker:1`)).rejects.toThrow(
      /413 Request Entity Too Large/,
    );
  });

  it("is pushed and pulled by docker", async () => {
    const { host } = await relay();
    const ref = `${host}/relayed/docker:1`;
    const digest = await docker.push(image.name, ref);
    expect((await headManifest(registry.host, "relayed/docker", "1")).digest).toBe(digest);
    expect(chunksOf("relayed/docker")).toBeGreaterThan(9);

    const { output } = image;
    await docker.run("rmi", ref);
    expect(await docker.run("pull", ref)).toContain(`Digest: ${digest}`);
    expect(await docker.run("run", "--rm", "--network", "none", ref)).toBe(output);
  });

  it("is pushed and pulled by podman", async () => {
    const { host } = await relay();
    const tools = new ContainerTools(workspace);
    const archive = join(tools.directory, "image.tar");
    await docker.run("save", "--output", archive, image.name);
    await tools.podman("load", "--quiet", "--input", archive);
    rmSync(archive);
    const digest = await tools.push("podman", `localhost/${image.name}`, `${host}/relayed/podman:1`);
    expect((await headManifest(registry.host, "relayed/podman", "1")).digest).toBe(digest);
    expect(chunksOf("relayed/podman")).toBeGreaterThan(9);

    await tools.podman("rmi", "--all", "--force");
    const pinned = `${host}/relayed/podman@${digest}`;
    await tools.podman("pull", "--quiet", "--tls-verify=false", pinned);
    expect(await tools.podman("image", "inspect", "--format", "{{.Digest}}", pinned)).toBe(digest);
  });

  describe("that another registry has", () => {
    let digest = "";
    beforeAll(async () => {
      digest = await docker.push(image.name, `${host}/relay/source:1`);
    });

    it("is copied there and back by skopeo", async () => {
      const { host: relayed } = await relay();
      const tools = new ContainerTools(workspace);
      const target = `docker://${relayed}/relayed/skopeo:1`;
      expect(await tools.copy(`docker://${host}/relay/source:1`, target)).toBe(digest);
      expect(chunksOf("relayed/skopeo")).toBeGreaterThan(9);
      expect(await tools.copy(target, `dir:${join(tools.directory, "back")}`)).toBe(digest);
    });

    it("is pushed and pulled by containerd", async () => {
      const { host: relayed } = await relay();
      const containerd = new Containerd(workspace);
      services.push(containerd.service);
      await containerd.ready();
      const target = `${relayed}/relayed/containerd:1`;
      await containerd.pull("push", `${host}/relay/source:1`);
      await containerd.push("push", `${host}/relay/source:1`, target);
      expect((await headManifest(registry.host, "relayed/containerd", "1")).digest).toBe(digest);
      expect(chunksOf("relayed/containerd")).toBeGreaterThan(9);

      await containerd.pull("pull", target);
      expect(await containerd.digestOf("pull", target)).toBe(digest);
    });
  });
});

describe("a push through the relay ends well", () => {
  it("when the registry is killed in the middle, and the edge answers 502 until it is back", async () => {
    const { host, service } = await relay();
    const push = docker.push(image.name, `${host}/broken/registry:1`);
    await expect.poll(() => chunksOf("broken/registry"), { timeout: 60_000 }).toBeGreaterThan(3);
    await registry.service.kill();
    await sleep(1500);
    registry = await startRegistry(workspace, registry);
    const digest = await push;
    await expectWhole("broken/registry", digest);
    expect(service.log).toContain("502");
  });

  it("when connections are cut at random", async () => {
    const lengths = Array.from({ length: 8 }, () => Math.ceil(Math.random() * 16_000_000));
    const line = await startFrayedLine(edge.host, lengths);
    const { host, service } = await startRelay(workspace, line.host);
    services.push(service);
    const digest = await docker.push(image.name, `${host}/broken/line:1`);
    await expectWhole("broken/line", digest);
    expect(line.cuts(), `of ${lengths}`).toBeGreaterThan(3);
    line.close();
  });
});
