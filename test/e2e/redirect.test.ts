/** Large blobs by a signed link, as a bucket of R2 gives them: each client follows it, and leaves its login at home. */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { headManifest } from "./support/api.ts";
import { Containerd } from "./support/containerd.ts";
import { ContainerTools } from "./support/containers.ts";
import { type DockerDaemon, startDocker } from "./support/docker.ts";
import { freePort } from "./support/ports.ts";
import { faultsIn, type Registry, startRegistry } from "./support/registry.ts";
import { configWithS3, s3EndpointAt } from "./support/s3.ts";
import { docker, host, image, workspace } from "./support/shared.ts";

const KEYS = { accessKeyId: "the-key", secretAccessKey: "the-secret" };

describe("a registry that sends clients to the bucket for large blobs", () => {
  const tools = new ContainerTools(workspace);
  const containerd = new Containerd(workspace);
  let registry: Registry;
  let daemon: DockerDaemon;
  let source = "";
  let digest = "";

  beforeAll(async () => {
    const port = await freePort();
    // Another host than the registry's: to the same one Go's clients would take their Authorization along.
    const endpoint = s3EndpointAt(port);
    registry = await startRegistry(
      workspace,
      { port, state: join(workspace, "redirecting") },
      [
        "REDIRECT_BLOBS_FROM:1MB",
        `R2_S3_ENDPOINT:${endpoint}`,
        `R2_ACCESS_KEY_ID:${KEYS.accessKeyId}`,
        `R2_SECRET_ACCESS_KEY:${KEYS.secretAccessKey}`,
      ],
      { BERTH_CONFIG: configWithS3(workspace, KEYS) },
    );
    source = `${registry.host}/redirect/app:1`;
    digest = await docker.push(image.name, `${host}/redirect/app:1`);
    await tools.copy(`docker://${host}/redirect/app:1`, `docker://${source}`);
    daemon = await startDocker(workspace);
    await containerd.ready();
  });
  afterAll(() => Promise.all([registry, daemon, containerd].map((started) => started?.service.stop())));

  /** How many blobs were links, and how many came through the registry. */
  async function blobsDuring(pull: () => Promise<unknown>): Promise<{ links: number; through: number }> {
    const before = registry.service.log.length;
    await pull();
    const lines = registry.service.log.slice(before).split("\n");
    const count = (status: number) =>
      lines.filter((line) => new RegExp(`^GET /v2/\\S+/blobs/\\S+ ${status} `).test(line)).length;
    return { links: count(307), through: count(200) };
  }

  it("serves docker, which runs the image", async () => {
    // busybox and the large layer; configuration and small layers come through the registry.
    expect(await blobsDuring(() => daemon.docker.run("pull", source))).toEqual({ links: 2, through: 5 });
    expect(await daemon.docker.run("run", "--rm", "--network=none", source)).toBe(image.output);
  });

  it("serves podman, which runs the image", async () => {
    const pull = () => tools.podman("pull", "--tls-verify=false", source);
    expect(await blobsDuring(pull)).toMatchObject({ links: 2 });
    expect(await tools.podman("run", "--rm", "--network=none", "--pull=never", source)).toBe(image.output);
  });

  it("serves containerd, which runs the image", async () => {
    expect(await blobsDuring(() => containerd.pull("redirect", source))).toMatchObject({ links: 2 });
    expect(await containerd.ctr("redirect", "run", "--rm", source, "one")).toBe(image.output);
  });

  it("serves skopeo, byte for byte", async () => {
    const folder = `dir:${join(tools.directory, "redirected")}`;
    expect(await blobsDuring(() => tools.copy(`docker://${source}`, folder))).toMatchObject({ links: 2 });
    expect((await headManifest(registry.host, "redirect/app", "1")).digest).toBe(digest);
  });

  it("leaves no server error, uncaught error or stack trace in the log, and no secret", () => {
    expect(faultsIn(registry.service.log)).toEqual([]);
    // Its first lines are npm's, which show what it was started with.
    const log = registry.service.log.slice(registry.service.log.indexOf("docker push"));
    expect(log).not.toContain(KEYS.secretAccessKey);
    expect(log).not.toContain("X-Amz-Signature");
  });
});
