/** The same image from several clients at the same time, into a registry that holds nothing of it. */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { getManifest, hashBlob, headManifest } from "./support/api.ts";
import { Containerd } from "./support/containerd.ts";
import { ContainerTools } from "./support/containers.ts";
import { faultsIn, type Registry, startRegistry } from "./support/registry.ts";
import { docker, host, image, workspace } from "./support/shared.ts";

const name = "same/image";

describe("the same image, pushed by three clients at once", () => {
  const tools = new ContainerTools(workspace);
  const containerd = new Containerd(workspace);
  const folder = `dir:${join(tools.directory, "image")}`;
  const source = `${host}/same/source:1`;
  let registry: Registry;
  let digest = "";

  beforeAll(async () => {
    // Through the shared registry all three get the very same compressed layers.
    digest = await docker.push(image.name, source);
    await tools.copy(`docker://${source}`, folder);
    await containerd.ready();
    await containerd.pull("same", source);
    registry = await startRegistry(workspace);
  });
  afterAll(async () => {
    await containerd.service.stop();
    await registry.service.stop();
  });

  it("is accepted from all of them, under one digest", async () => {
    const [fromDocker, fromSkopeo] = await Promise.all([
      docker.push(image.name, `${registry.host}/${name}:docker`),
      tools.copy(folder, `docker://${registry.host}/${name}:skopeo`),
      containerd.push("same", source, `${registry.host}/${name}:containerd`),
    ]);
    expect([fromDocker, fromSkopeo]).toEqual([digest, digest]);
    for (const tag of ["docker", "skopeo", "containerd"]) {
      expect((await headManifest(registry.host, name, tag)).digest).toBe(digest);
    }
  });

  it("is whole, whoever came first with which blob", async () => {
    const { config, layers } = await getManifest(registry.host, name, digest);
    for (const { digest, size } of [config, ...layers]) {
      expect(await hashBlob(registry.host, name, digest)).toEqual({ digest, size });
    }
    const again = `dir:${join(tools.directory, "again")}`;
    expect(await tools.copy(`docker://${registry.host}/${name}:containerd`, again)).toBe(digest);
  });

  it("has really been sent more than once", () => {
    const uploads = registry.service.log.match(/^PUT \S+\/blobs\/uploads\/\S+ 201 /gm) ?? [];
    expect(uploads.length).toBeGreaterThan(7);
  });

  it("leaves no server error, uncaught error or stack trace in the registry's log", () => {
    expect(faultsIn(registry.service.log)).toEqual([]);
  });
});
