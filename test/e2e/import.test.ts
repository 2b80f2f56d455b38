/** Moving in from another registry, and from one Berth to another: berth import, and skopeo sync. */

import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { Layout } from "../cli/support/images.ts";
import { type Descriptor, getManifest, getReferrers, hashBlob, headManifest } from "./support/api.ts";
import { ContainerTools } from "./support/containers.ts";
import { startDistribution } from "./support/distribution.ts";
import { berth } from "./support/edge.ts";
import { startRegistry } from "./support/registry.ts";
import type { Service } from "./support/service.ts";
import { docker, host, image, itLeavesACleanLog, workspace } from "./support/shared.ts";

const folder = mkdtempSync(join(workspace, "import-"));
const tools = new ContainerTools(workspace);
const services: Service[] = [];
/** registry:2, which keeps referrers under tags. */
let other = "";
let app: Descriptor;
let signature: Descriptor;

async function push(descriptor: Descriptor, layout: Layout, target: string): Promise<void> {
  layout.index(descriptor);
  const { code, stderr } = await berth(["push", layout.folder, target], folder);
  expect(code, stderr).toBe(0);
}

beforeAll(async () => {
  const distribution = await startDistribution(folder);
  services.push(distribution.service);
  other = distribution.host;
  await docker.push(image.name, `${other}/old/big:1`);
  await docker.push(image.name, `${other}/old/deep/er/big:latest`);

  const layout = new Layout(join(folder, "layout"));
  app = layout.list([layout.image("for amd64"), layout.image("for arm64")]);
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: layout.blob("{}", "application/vnd.oci.empty.v1+json"),
    layers: [layout.blob("signed")],
    subject: app,
  };
  signature = layout.blob(JSON.stringify(manifest), OCI_MANIFEST);
  await push(app, layout, `${other}/old/app:1`);
  await push(app, layout, `${other}/old/app:latest`);
  await push(layout.list([signature]), layout, `${other}/old/app:${app.digest.replace(":", "-")}`);
});
afterAll(async () => {
  for (const service of services) await service.stop();
});

async function expectImported(at: string): Promise<void> {
  for (const tag of ["1", "latest"]) expect((await headManifest(at, "old/app", tag)).digest).toBe(app.digest);
  const { manifests = [] } = await getManifest(at, "old/app", "1");
  expect(manifests).toHaveLength(2);
  for (const { digest } of manifests) {
    const { config, layers } = await getManifest(at, "old/app", digest);
    for (const { digest, size } of [config, ...layers])
      expect(await hashBlob(at, "old/app", digest)).toEqual({ digest, size });
  }
  const referrers = await getReferrers(at, "old/app", app.digest);
  expect(referrers.map(({ digest }) => digest)).toEqual([signature.digest]);
}

describe("berth import", () => {
  it("brings repositories from registry:2, with platforms and signatures, and runs out of docker", async () => {
    const args = ["import", `${other}/old`, "--registry", host, "--json"];
    const { code, stdout, stderr } = await berth(args, folder);
    expect(code, stderr).toBe(0);
    const sums = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    expect(sums).toMatchObject({ tags: { copied: 5, present: 0, failed: 0 } });
    // Two of the same image: the second one's layers are mounted. So are the first one's, if others have pushed it.
    expect(sums.blobs.mounted).toBeGreaterThanOrEqual(7);
    await expectImported(host);
    const ref = `${host}/old/deep/er/big:latest`;
    await docker.run("pull", "--quiet", ref);
    expect(await docker.run("run", "--rm", "--network", "none", ref)).toBe(image.output);
  });

  it("sends nothing the second time", async () => {
    const { code, stdout } = await berth(["import", `${other}/old`, "--registry", host], folder);
    expect([code, stdout]).toEqual([0, "0 tags copied, 5 were there; 0 manifests and 0 blobs (0 B) sent.\n"]);
  });

  it("moves from one Berth to another, which lists referrers itself", async () => {
    const second = await startRegistry(workspace);
    services.push(second.service);
    const { code, stderr } = await berth(["import", `${host}/old/app`, "--registry", second.host], folder);
    expect(code, stderr).toBe(0);
    await expectImported(second.host);
  });
});

describe("berth export", () => {
  it("writes a layout that skopeo and berth push read, and takes back to registry:2", async () => {
    const layout = join(folder, "exported");
    const { code, stderr } = await berth(["export", "old/app", layout, "--registry", host], folder);
    expect(code, stderr).toBe(0);
    const copied = await tools.copy(`oci:${layout}:old/app:1`, `docker://${other}/back/skopeo:1`, "--all");
    expect(copied).toBe(app.digest);
    expect(
      (await berth(["push", layout, `${other}/old/app:back`, "--image", "old/app:1"], folder)).code,
    ).toBe(0);
    expect((await headManifest(other, "old/app", "back")).digest).toBe(app.digest);
  });
});

describe("skopeo sync", () => {
  it("copies a repository with all its tags", async () => {
    const insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    await tools.skopeo(
      ...["sync", "--all", "--src", "docker", "--dest", "docker", ...insecure],
      ...[`${other}/old/app`, `${host}/synced`],
    );
    for (const tag of ["1", "latest"])
      expect((await headManifest(host, "synced/app", tag)).digest).toBe(app.digest);
  });
});

itLeavesACleanLog();
