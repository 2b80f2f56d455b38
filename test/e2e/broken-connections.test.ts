/** Real clients whose connection is cut in the middle of the large layer. */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { getManifest, hashBlob, headManifest } from "./support/api.ts";
import { Containerd } from "./support/containerd.ts";
import { ContainerTools } from "./support/containers.ts";
import { CuttingProxy, type Direction } from "./support/cutting-proxy.ts";
import { startDocker } from "./support/docker.ts";
import { docker, host, image, itLeavesACleanLog, logSince, markLog, workspace } from "./support/shared.ts";

/** In the middle of the large layer, which comes first or nearly so. */
const HALF_WAY = 40_000_000;
const name = "broken/image";

describe("a connection that is cut half way", () => {
  const containerd = new Containerd(workspace);
  const tools = new ContainerTools(workspace);
  let digest = "";

  beforeAll(async () => {
    digest = await docker.push(image.name, `${host}/${name}:1`);
    await containerd.ready();
  });
  afterAll(() => containerd.service.stop());

  /** Has a client use a wire that breaks once. */
  async function throughBrokenWire<T>(direction: Direction, use: (host: string) => Promise<T>): Promise<T> {
    const proxy = new CuttingProxy(Number(host.split(":")[1]), direction, HALF_WAY);
    const proxyHost = await proxy.listen();
    try {
      const result = await use(proxyHost);
      expect(proxy.cuts).toBe(1);
      return result;
    } finally {
      proxy.close();
    }
  }

  async function expectResumed(pull: (host: string) => Promise<string>): Promise<void> {
    const mark = markLog();
    expect(await throughBrokenWire("pull", pull)).toBe(digest);
    expect(logSince(mark).filter((line) => /^GET \S+\/blobs\/\S+ 206 /.test(line))).toHaveLength(1);
  }

  it("is taken up again by docker, which asks for the rest of the layer only", async () => {
    const other = await startDocker(workspace);
    try {
      await expectResumed(async (host) => {
        await other.docker.run("pull", "--quiet", `${host}/${name}:1`);
        const [repoDigest = ""] = await other.docker.repoDigests(`${host}/${name}:1`);
        return repoDigest.split("@")[1] ?? "";
      });
    } finally {
      await other.service.stop();
    }
  });

  it("ends podman's pull, and the next one succeeds", async () => {
    await throughBrokenWire("pull", async (host) => {
      const ref = `${host}/${name}:1`;
      await expect(tools.podman("pull", "--tls-verify=false", ref)).rejects.toThrow(/unexpected EOF/);
      await tools.podman("pull", "--tls-verify=false", ref);
      expect(await tools.podman("image", "inspect", "--format", "{{.Digest}}", ref)).toBe(digest);
    });
  });

  it("is taken up again by containerd, which asks for the rest of the layer only", async () => {
    await expectResumed(async (host) => {
      await containerd.pull("broken", `${host}/${name}:1`);
      return containerd.digestOf("broken", `${host}/${name}:1`);
    });
  });

  it("costs docker's push one more try, and the image is whole", async () => {
    const pushed = await throughBrokenWire("push", (host) =>
      docker.push(image.name, `${host}/broken/pushed:1`),
    );
    expect(pushed).toBe(digest);
    await expectWhole("broken/pushed");
  });

  it("ends skopeo's push, and the next one succeeds", async () => {
    const folder = `dir:${join(tools.directory, "image")}`;
    await tools.copy(`docker://${host}/${name}:1`, folder);
    await throughBrokenWire("push", async (host) => {
      await expect(tools.copy(folder, `docker://${host}/broken/copied:1`)).rejects.toThrow(/writing blob/);
      expect((await headManifest(host, "broken/copied", "1")).status).toBe(404);
      expect(await tools.copy(folder, `docker://${host}/broken/copied:1`)).toBe(digest);
    });
    await expectWhole("broken/copied");
  });

  async function expectWhole(name: string): Promise<void> {
    const { config, layers } = await getManifest(host, name, digest);
    for (const { digest, size } of [config, ...layers]) {
      expect(await hashBlob(host, name, digest)).toEqual({ digest, size });
    }
  }

  itLeavesACleanLog();
});
