/** podman: pull, run, push. */

import { beforeAll, describe, expect, it } from "vitest";
import { getManifest, hashBlob, headManifest } from "./support/api.ts";
import { ContainerTools } from "./support/containers.ts";
import { docker, host, image, itLeavesACleanLog, workspace } from "./support/shared.ts";

const source = `${host}/podman/from-docker:1`;
const oci = `${host}/podman/oci:1`;

describe("podman", () => {
  const tools = new ContainerTools(workspace);
  let digest = "";

  beforeAll(async () => {
    digest = await docker.push(image.name, source);
  });

  it("pulls what docker pushed, under the same digest, and runs it", async () => {
    await tools.podman("pull", "--tls-verify=false", source);
    expect(await tools.podman("image", "inspect", "--format", "{{.Digest}}", source)).toBe(digest);
    expect(await tools.podman("run", "--rm", "--network=none", "--pull=never", source)).toBe(image.output);
  });

  it("pushes it as an OCI image, compressed on the way, and the registry has what podman reports", async () => {
    const pushed = await tools.push("podman", source, oci, "--format=oci", "--compression-format=gzip");

    expect(await headManifest(host, "podman/oci", "1")).toMatchObject({
      status: 200,
      digest: pushed,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
    });
    const { config, layers } = await getManifest(host, "podman/oci", "1");
    expect(layers).toHaveLength(6);
    for (const { digest, size } of [config, ...layers]) {
      expect(await hashBlob(host, "podman/oci", digest)).toEqual({ digest, size });
    }
  });

  it("pulls its own image back after all was deleted locally, and runs it", async () => {
    const { digest } = await headManifest(host, "podman/oci", "1");
    await tools.podman("rmi", "--all", "--force");
    expect(await tools.podman("images", "--quiet")).toBe("");

    await tools.podman("pull", "--tls-verify=false", oci);
    expect(await tools.podman("image", "inspect", "--format", "{{.Digest}}", oci)).toBe(digest);
    expect(await tools.podman("run", "--rm", "--network=none", "--pull=never", oci)).toBe(image.output);
  });

  it("builds an image on one from the registry, and pushes layers compressed with zstd", async () => {
    const container = await tools.podman("create", "--pull=never", oci, "/bin/busybox", "true");
    await tools.podman("commit", "--quiet", "--change", "LABEL made=by-podman", container, "derived");
    const pushed = await tools.push(
      "podman",
      "derived",
      `${host}/podman/zstd:1`,
      "--compression-format=zstd",
    );
    expect((await headManifest(host, "podman/zstd", "1")).digest).toBe(pushed);

    await tools.podman("rmi", "--all", "--force");
    await tools.podman("pull", "--tls-verify=false", `${host}/podman/zstd@${pushed}`);
    const label = await tools.podman(
      "image",
      "inspect",
      "--format",
      "{{.Labels.made}}",
      `${host}/podman/zstd@${pushed}`,
    );
    expect(label).toBe("by-podman");
  });

  itLeavesACleanLog();
});
