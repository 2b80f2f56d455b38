/** containerd, through its client `ctr`: push, pull, run. */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { getManifest, headManifest } from "./support/api.ts";
import { Containerd } from "./support/containerd.ts";
import { docker, host, image, itLeavesACleanLog, logSince, markLog, workspace } from "./support/shared.ts";

const source = `${host}/containerd/from-docker:1`;
const mounted = `${host}/containerd/mounted:1`;
const sent = `${host}/containerd/sent:1`;

describe("containerd", () => {
  const containerd = new Containerd(workspace);
  let digest = "";

  beforeAll(async () => {
    await containerd.ready();
    digest = await docker.push(image.name, source);
  });
  afterAll(() => containerd.service.stop());

  it("pulls what docker pushed, under the same digest, and runs it", async () => {
    await containerd.pull("first", source);
    expect(await containerd.digestOf("first", source)).toBe(digest);
    expect(await containerd.ctr("first", "run", "--rm", source, "one")).toBe(image.output);
  });

  it("pushes to another repository by mounting the layers, without sending them", async () => {
    const mark = markLog();
    await containerd.push("first", source, mounted);

    const log = logSince(mark);
    expect(log.filter((line) => /^POST \S+\/uploads\/\S* 201 /.test(line)).length).toBeGreaterThanOrEqual(6);
    expect(
      log.filter((line) => line.startsWith("PUT ") && line.includes("/uploads/")).length,
    ).toBeLessThanOrEqual(1);
    expect((await headManifest(host, "containerd/mounted", "1")).digest).toBe(digest);
  });

  it("pushes an image of unknown origin by sending every blob whole", async () => {
    const archive = join(workspace, "containerd.tar");
    await containerd.ctr("first", "images", "export", archive, source);
    await containerd.ctr("second", "images", "import", archive);
    const mark = markLog();
    await containerd.push("second", source, sent);

    const log = logSince(mark);
    expect(log.filter((line) => line.startsWith("PUT ") && line.includes("/uploads/")).length).toBe(7);
    expect((await headManifest(host, "containerd/sent", "1")).digest).toBe(digest);
  });

  it("pulls it back where nothing of it is known, and runs it", async () => {
    for (const namespace of ["first", "second"]) {
      const images = await containerd.ctr(namespace, "images", "ls", "--quiet");
      await containerd.ctr(namespace, "images", "rm", "--sync", ...images.split("\n"));
      expect(await containerd.ctr(namespace, "content", "ls", "--quiet")).toBe("");
    }
    await containerd.pull("third", sent);
    expect(await containerd.digestOf("third", sent)).toBe(digest);
    expect(await containerd.ctr("third", "run", "--rm", sent, "two")).toBe(image.output);
    const { layers } = await getManifest(host, "containerd/sent", "1");
    expect(layers).toHaveLength(6);
  });

  itLeavesACleanLog();
});
