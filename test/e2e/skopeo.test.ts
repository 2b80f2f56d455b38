/** skopeo: copy, inspect, list, delete, without an image ever being unpacked. */

import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { getManifest, headManifest } from "./support/api.ts";
import { ContainerTools } from "./support/containers.ts";
import { docker, host, image, itLeavesACleanLog, logSince, markLog, workspace } from "./support/shared.ts";

const source = `docker://${host}/skopeo/source`;

describe("skopeo", () => {
  const tools = new ContainerTools(workspace);
  const folder = `dir:${join(tools.directory, "image")}`;
  let digest = "";

  beforeAll(async () => {
    digest = await docker.push(image.name, `${host}/skopeo/source:1`);
  });

  it("copies an image from the registry to a folder and back to another repository, byte for byte", async () => {
    expect(await tools.copy(`${source}:1`, folder)).toBe(digest);
    expect(await tools.copy(folder, `docker://${host}/skopeo/back:1`)).toBe(digest);
    expect((await headManifest(host, "skopeo/back", "1")).digest).toBe(digest);
  });

  it("copies between repositories by mounting the blobs, without sending them", async () => {
    const mark = markLog();
    expect(await tools.copy(`${source}:1`, `docker://${host}/skopeo/mounted:1`)).toBe(digest);

    const log = logSince(mark);
    expect(log.filter((line) => /^POST \S+\/uploads\/\S* 201 /.test(line)).length).toBeGreaterThanOrEqual(6);
    expect(log.filter((line) => line.startsWith("PATCH ")).length).toBeLessThanOrEqual(1);
    expect((await headManifest(host, "skopeo/mounted", "1")).digest).toBe(digest);
  });

  it("copies an image as OCI, which changes its manifest and keeps its layers", async () => {
    const converted = await tools.copy(`${source}:1`, `docker://${host}/skopeo/oci:1`, "--format=oci");
    expect(converted).not.toBe(digest);
    expect(await headManifest(host, "skopeo/oci", "1")).toMatchObject({
      digest: converted,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
    });
    const layersOf = async (name: string) =>
      (await getManifest(host, name, "1")).layers.map(({ digest }) => digest);
    expect(await layersOf("skopeo/oci")).toEqual(await layersOf("skopeo/source"));
  });

  it("inspects an image and lists its tags", async () => {
    await tools.copy(`${source}:1`, `${source}:2`);
    const inspected = JSON.parse(await tools.skopeo("inspect", "--tls-verify=false", `${source}:1`));
    const { layers } = await getManifest(host, "skopeo/source", "1");
    expect(inspected).toMatchObject({
      Name: `${host}/skopeo/source`,
      Digest: digest,
      RepoTags: ["1", "2"],
      Architecture: "amd64",
      Layers: layers.map(({ digest }) => digest),
    });
    const listed = JSON.parse(await tools.skopeo("list-tags", "--tls-verify=false", source));
    expect(listed.Tags).toEqual(["1", "2"]);
  });

  it("deletes an image with all its tags, and the copies in other repositories stay whole", async () => {
    await tools.skopeo("delete", "--tls-verify=false", `${source}:1`);
    for (const reference of ["1", "2", digest]) {
      expect((await headManifest(host, "skopeo/source", reference)).status).toBe(404);
    }
    await expect(tools.skopeo("inspect", "--tls-verify=false", `${source}:1`)).rejects.toThrow(
      /manifest unknown/,
    );

    const again = `dir:${join(tools.directory, "again")}`;
    expect(await tools.copy(`docker://${host}/skopeo/mounted:1`, again)).toBe(digest);
  });

  itLeavesACleanLog();
});
