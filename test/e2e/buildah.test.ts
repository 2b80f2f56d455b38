/** buildah: from, copy, commit, push, pull. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { getManifest, headManifest } from "./support/api.ts";
import { ContainerTools } from "./support/containers.ts";
import { docker, host, image, itLeavesACleanLog, workspace } from "./support/shared.ts";

const base = `${host}/buildah/base:1`;
const ref = `${host}/buildah/derived:1`;

describe("buildah", () => {
  const tools = new ContainerTools(workspace);
  let pushed = "";

  beforeAll(async () => {
    await docker.push(image.name, base);
  });

  it("starts from an image in the registry, adds a layer, and pushes what it commits", async () => {
    const file = join(tools.directory, "added");
    writeFileSync(file, "added by buildah\n");
    const container = await tools.buildah("from", "--tls-verify=false", base);
    await tools.buildah("copy", container, file, "/small/5");
    await tools.buildah("commit", "--quiet", container, "derived");

    pushed = await tools.push("buildah", "derived", ref);
    expect(await headManifest(host, "buildah/derived", "1")).toMatchObject({
      status: 200,
      digest: pushed,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
    });
    expect((await getManifest(host, "buildah/derived", "1")).layers).toHaveLength(7);
  });

  it("commits straight to the registry", async () => {
    const container = await tools.buildah("from", "--pull-never", "derived");
    await tools.buildah("config", "--label", "made=by-buildah", container);
    const direct = `docker://${host}/buildah/direct:1`;
    await tools.buildah("commit", "--quiet", "--tls-verify=false", container, direct);

    const inspected = JSON.parse(await tools.skopeo("inspect", "--tls-verify=false", direct));
    expect(inspected.Labels).toMatchObject({ made: "by-buildah" });
  });

  it("pulls its image back after all was deleted locally, and runs it", async () => {
    await tools.buildah("rm", "--all");
    await tools.buildah("rmi", "--all", "--force");
    expect(await tools.buildah("images", "--quiet")).toBe("");

    await tools.buildah("pull", "--tls-verify=false", `${host}/buildah/derived@${pushed}`);
    const container = await tools.buildah("from", "--pull-never", `${host}/buildah/derived@${pushed}`);
    // Commands of an image are podman's business; buildah runs what it is told.
    const command = ["/bin/busybox", "sh", "-c", "/bin/busybox cat /small/*; /bin/busybox sha256sum /big"];
    const output = await tools.buildah("run", "--isolation=chroot", container, "--", ...command);
    const [sum] = image.output.split("\n").slice(-1);
    expect(output).toBe(`${image.output.replace(`${sum}`, "")}added by buildah\n${sum}`);
  });

  itLeavesACleanLog();
});
