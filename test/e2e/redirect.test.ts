/** Large blobs by a signed link, as each store gives them: each client follows it, and leaves its login at home. */

import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AZURITE } from "../support/azurite-account.ts";
import { type OuterStore, outerAzure } from "../support/outer-stores.ts";
import { S3_KEYS } from "../support/s3-keys.ts";
import { headManifest } from "./support/api.ts";
import { configWith, s3EndpointAt } from "./support/configs.ts";
import { Containerd } from "./support/containerd.ts";
import { ContainerTools } from "./support/containers.ts";
import { type DockerDaemon, startDocker } from "./support/docker.ts";
import { freePort } from "./support/ports.ts";
import { RecordingProxy } from "./support/recording-proxy.ts";
import { faultsIn, type Registry, startRegistry } from "./support/registry.ts";
import { docker, host, smallImage, workspace } from "./support/shared.ts";
import { asVars, behindEndpoint } from "./support/store.ts";

/** A registry whose clients meet its store through a proxy that listens. */
interface Behind {
  /** Of the store. */
  port: number;
  /** @param proxy its port; by another name than the registry's, to which Go's clients would take their login along */
  variables(proxy: number): string[];
  environment?: Record<string, string>;
}

const s3Config = () => ({ BERTH_CONFIG: configWith(workspace, { s3: true }) });

let azure: OuterStore | null = null;

/** @param port of the registry, which serves wrangler's S3 endpoint as well */
const STORES: Record<string, (port: number) => Promise<Behind>> = {
  "R2, which has an S3 endpoint": async (port) => ({
    port,
    variables: (proxy) => [
      "STORE:r2",
      `R2_S3_ENDPOINT:${s3EndpointAt(proxy)}`,
      `R2_ACCESS_KEY_ID:${S3_KEYS.accessKeyId}`,
      `R2_SECRET_ACCESS_KEY:${S3_KEYS.secretAccessKey}`,
    ],
    environment: s3Config(),
  }),
  "S3, as wrangler's endpoint speaks it": async (port) => ({
    port,
    variables: (proxy) => asVars(behindEndpoint("s3", proxy).variables),
    environment: s3Config(),
  }),
  "Azure, as azurite speaks it": async () => {
    azure = await outerAzure();
    const { STORE_URL = "", ...others } = azure.variables;
    const { port, pathname } = new URL(STORE_URL);
    return {
      port: Number(port),
      variables: (proxy) => asVars({ ...others, STORE_URL: `http://localhost:${proxy}${pathname}` }),
    };
  },
};

const NAMES = Object.keys(STORES).filter((name) => process.env.AZURITE_HOME || !name.startsWith("Azure"));

describe.each(NAMES)("a registry that sends clients to its store for large blobs: %s", (name) => {
  const tools = new ContainerTools(workspace);
  const containerd = new Containerd(workspace);
  let registry: Registry;
  let daemon: DockerDaemon;
  let proxy: RecordingProxy;
  let source = "";
  let digest = "";

  beforeAll(async () => {
    const port = await freePort();
    const store = await (STORES[name] as (port: number) => Promise<Behind>)(port);
    proxy = new RecordingProxy(store.port);
    registry = await startRegistry(
      workspace,
      { port, state: join(workspace, `redirecting-${port}`) },
      ["REDIRECT_BLOBS_FROM:1MB", ...store.variables(await proxy.listen())],
      store.environment,
    );
    source = `${registry.host}/redirect/app:1`;
    digest = await docker.push(smallImage.name, `${host}/redirect/app:1`);
    await tools.copy(`docker://${host}/redirect/app:1`, `docker://${source}`);
    daemon = await startDocker(workspace);
    await containerd.ready();
  });
  afterAll(async () => {
    await Promise.all([registry, daemon, containerd].map((started) => started?.service.stop()));
    proxy?.close();
    azure?.stop();
    azure = null;
  });

  /** How many blobs came by links; each has been followed, by `client`, without a login. */
  async function linksDuring(client: RegExp, pull: () => Promise<unknown>): Promise<number> {
    const logged = registry.service.log.length;
    const before = proxy.requests.length;
    await pull();
    const followed = proxy.requests
      .slice(before)
      .filter(({ url: { searchParams } }) => searchParams.has("X-Amz-Signature") || searchParams.has("sig"));
    for (const { method, authorization, userAgent } of followed) {
      expect({ method, authorization, userAgent }).toEqual({
        method: "GET",
        authorization: null,
        userAgent: expect.stringMatching(client),
      });
    }
    const lines = registry.service.log.slice(logged).split("\n");
    const links = lines.filter((line) => /^GET \/v2\/\S+\/blobs\/\S+ 307 /.test(line)).length;
    expect(followed.length).toBe(links);
    return links;
  }

  // busybox and the large layer; configuration and small layers come through the registry.
  it("serves docker, which runs the image", async () => {
    expect(await linksDuring(/^docker\//, () => daemon.docker.run("pull", source))).toBe(2);
    expect(await daemon.docker.run("run", "--rm", "--network=none", source)).toBe(smallImage.output);
  });

  it("serves podman, which runs the image", async () => {
    const pull = () => tools.podman("pull", "--tls-verify=false", source);
    expect(await linksDuring(/^containers\//, pull)).toBe(2);
    expect(await tools.podman("run", "--rm", "--network=none", "--pull=never", source)).toBe(
      smallImage.output,
    );
  });

  it("serves containerd, which runs the image", async () => {
    expect(await linksDuring(/^containerd\//, () => containerd.pull("redirect", source))).toBe(2);
    expect(await containerd.ctr("redirect", "run", "--rm", source, "one")).toBe(smallImage.output);
  });

  it("serves skopeo, byte for byte", async () => {
    const folder = `dir:${join(tools.directory, "redirected")}`;
    expect(await linksDuring(/^(skopeo|containers)\//, () => tools.copy(`docker://${source}`, folder))).toBe(
      2,
    );
    expect((await headManifest(registry.host, "redirect/app", "1")).digest).toBe(digest);
  });

  it("leaves no server error, uncaught error or stack trace in the log, and no secret", () => {
    expect(faultsIn(registry.service.log)).toEqual([]);
    // Its first lines are npm's, which show what it was started with.
    const log = registry.service.log.slice(registry.service.log.indexOf("docker push"));
    for (const secret of [S3_KEYS.secretAccessKey, AZURITE.key, "X-Amz-Signature", "sig="])
      expect(log).not.toContain(secret);
  });
});
