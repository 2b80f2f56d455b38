/** Images for several platforms, under one tag. */

import { beforeAll, describe, expect, it } from "vitest";
import { getManifest, headManifest } from "./support/api.ts";
import { ContainerTools } from "./support/containers.ts";
import { send } from "./support/login.ts";
import { docker, host, itLeavesACleanLog, workspace } from "./support/shared.ts";

const name = "multi/image";
const ref = `${host}/${name}:1`;
const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

describe("a multi-arch image", () => {
  const tools = new ContainerTools(workspace);

  beforeAll(async () => {
    await tools.buildah("manifest", "create", "multi");
    for (const architecture of ["amd64", "arm64"]) {
      const container = await tools.buildah("from", "scratch");
      await tools.buildah("copy", container, "/bin/busybox", "/bin/busybox");
      // It says what it was made for; only the one for this machine's platform is run.
      const command = JSON.stringify(["/bin/busybox", "echo", architecture]);
      await tools.buildah("config", "--os=linux", `--arch=${architecture}`, "--cmd", command, container);
      await tools.buildah("commit", "--quiet", "--manifest", "multi", container, `for-${architecture}`);
    }
  });

  it("is pushed as an index with an image per platform", async () => {
    await tools.buildah("manifest", "push", "--all", "--tls-verify=false", "multi", `docker://${ref}`);

    expect(await headManifest(host, name, "1")).toMatchObject({ status: 200, mediaType: OCI_INDEX });
    const { manifests = [] } = await getManifest(host, name, "1");
    expect(manifests.map(({ platform }) => platform?.architecture)).toEqual(["amd64", "arm64"]);
    for (const { digest, size } of manifests) {
      expect(await headManifest(host, name, digest)).toMatchObject({ status: 200, digest, length: size });
    }
  });

  it("gives docker and podman the image for the platform they ask for", async () => {
    await docker.run("pull", "--quiet", "--platform=linux/amd64", ref);
    expect(await docker.run("run", "--rm", "--network", "none", ref)).toBe("amd64");
    const { digest } = await headManifest(host, name, "1");
    expect(await docker.repoDigests(ref)).toEqual([`${host}/${name}@${digest}`]);

    await tools.podman("pull", "--tls-verify=false", "--arch=arm64", ref);
    expect(await tools.podman("image", "inspect", "--format", "{{.Architecture}}", ref)).toBe("arm64");
  });

  it("is copied whole to another repository, under the same digest", async () => {
    const { digest } = await headManifest(host, name, "1");
    expect(await tools.copy(`docker://${ref}`, `docker://${host}/multi/copy:1`, "--all")).toBe(digest);
    const { manifests = [] } = await getManifest(host, "multi/copy", "1");
    for (const child of manifests) {
      expect((await headManifest(host, "multi/copy", child.digest)).status).toBe(200);
    }
  });

  it("can be a Docker manifest list, made by docker of images that are already there", async () => {
    await tools.copy(`docker://${ref}`, `docker://${host}/multi/docker:1`, "--all", "--format=v2s2");
    const { manifests = [] } = await getManifest(host, "multi/docker", "1");
    const members = manifests.map(({ digest }) => `${host}/multi/docker@${digest}`);
    const list = `${host}/multi/docker:list`;
    await docker.run("manifest", "create", "--insecure", list, ...members);
    const pushed = await docker.run("manifest", "push", "--insecure", list);
    expect(await headManifest(host, "multi/docker", "list")).toMatchObject({
      status: 200,
      digest: pushed,
      mediaType: DOCKER_LIST,
    });
  });

  it("keeps its images when its tag is deleted, for those who pull by digest", async () => {
    const { digest } = await headManifest(host, "multi/copy", "1");
    const response = await send(`http://${host}/v2/multi/copy/manifests/1`, { method: "DELETE" });
    expect(response.status).toBe(202);
    expect((await headManifest(host, "multi/copy", "1")).status).toBe(404);
    const again = `docker://${host}/multi/restored:1`;
    expect(await tools.copy(`docker://${host}/multi/copy@${digest}`, again, "--all")).toBe(digest);
  });

  itLeavesACleanLog();
});
