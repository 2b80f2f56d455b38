/** docker: build, push, pull, run. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { getManifest, hashBlob, headManifest } from "./support/api.ts";
import { run } from "./support/command.ts";
import { createBuildContext } from "./support/image.ts";
import { docker, host, itLeavesACleanLog, logSince, markLog, workspace } from "./support/shared.ts";

const LARGE = 150 * 1024 ** 2;
const name = "docker/image";
const ref = `${host}/${name}:1`;

describe("docker", () => {
  const context = createBuildContext(workspace, LARGE);
  let digest = "";

  it("pushes an image, and the registry has it under the digest that docker reports", async () => {
    await docker.build(context.directory, "local");
    digest = await docker.push("local", ref);

    const head = await headManifest(host, name, "1");
    expect(head).toMatchObject({
      status: 200,
      digest,
      mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    });
    expect(await docker.repoDigests(ref)).toEqual([`${host}/${name}@${digest}`]);
  });

  it("has pushed blobs that are what their descriptors say", async () => {
    const { config, layers } = await getManifest(host, name, digest);
    expect(layers).toHaveLength(6);
    expect(Math.max(...layers.map(({ size }) => size))).toBeGreaterThan(LARGE);
    for (const { digest, size } of [config, ...layers]) {
      expect(await hashBlob(host, name, digest)).toEqual({ digest, size });
    }
  });

  it("pulls the image back after it was deleted locally, and runs it", async () => {
    const id = await docker.run("image", "inspect", "--format", "{{.Id}}", ref);
    await docker.run("rmi", "--force", "local", ref);
    await expect(docker.run("image", "inspect", ref)).rejects.toThrow(/No such image/);

    const output = await docker.run("pull", ref);
    expect(output).not.toContain("Already exists");
    expect(output).toContain(`Digest: ${digest}`);
    expect(await docker.repoDigests(ref)).toEqual([`${host}/${name}@${digest}`]);
    expect(await docker.run("image", "inspect", "--format", "{{.Id}}", ref)).toBe(id);
    expect(await docker.run("run", "--rm", "--network", "none", ref)).toBe(context.output);
  });

  it("pulls and runs the image by its digest", async () => {
    const pinned = `${host}/${name}@${digest}`;
    await docker.run("rmi", "--force", ref);
    expect(await docker.run("pull", "--quiet", pinned)).toBe(pinned);
    expect(await docker.run("run", "--rm", "--network", "none", pinned)).toBe(context.output);
    await docker.run("tag", pinned, ref);
  });

  it("pushes to another repository by mounting the layers, without sending them again", async () => {
    const mark = markLog();
    expect(await docker.push(ref, `${host}/docker/mounted:1`)).toBe(digest);

    const log = logSince(mark);
    expect(log.filter((line) => /^POST \S+\/uploads\/\S* 201 /.test(line))).toHaveLength(6);
    // The config is not mounted, but sent again.
    expect(log.filter((line) => line.startsWith("PATCH "))).toHaveLength(1);
    expect((await headManifest(host, "docker/mounted", "1")).digest).toBe(digest);
  });

  it("moves a tag, and the image that had it stays under its digest", async () => {
    const archive = join(workspace, "other.tar");
    await run("tar", ["--create", "--file", archive, "--directory", context.directory, "busybox", "small-1"]);
    await docker.run("import", archive, "other");
    const moved = await docker.push("other", ref);
    expect(moved).not.toBe(digest);
    expect((await headManifest(host, name, "1")).digest).toBe(moved);
    expect((await headManifest(host, name, digest)).status).toBe(200);
  });

  itLeavesACleanLog();
});
