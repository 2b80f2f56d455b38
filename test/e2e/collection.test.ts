/** Deletion and collection as a user does it: the bytes come back, and what is needed stays. */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { getManifest, hashBlob, headManifest } from "./support/api.ts";
import { attempt } from "./support/command.ts";
import { ContainerTools } from "./support/containers.ts";
import { send } from "./support/login.ts";
import { runAgainst } from "./support/programs.ts";
import { faultsIn, type Registry, ROOT, startRegistry } from "./support/registry.ts";
import { docker, smallImage, workspace } from "./support/shared.ts";

/** Seconds. */
const GRACE_PERIOD = 2;

const tools = new ContainerTools(workspace);
let registry: Registry;

beforeAll(async () => {
  registry = await startRegistry(workspace, undefined, [`GRACE_PERIOD:${GRACE_PERIOD}s`]);
});
afterAll(async () => {
  expect(faultsIn(registry.service.log)).toEqual([]);
  await registry.service.stop();
});

/** `berth gc`, with the credentials that docker would have. */
function gc(...options: string[]): Promise<string> {
  return runAgainst(registry.host, "gc", ...options);
}

async function blobsOf(name: string, reference: string): Promise<string[]> {
  const { config, layers } = await getManifest(registry.host, name, reference);
  return [config, ...layers].map(({ digest }) => digest);
}

describe("two images that share layers", () => {
  const kept = () => `${registry.host}/shop/kept:1`;
  const dropped = () => `${registry.host}/shop/dropped:1`;
  let own: string[] = [];

  beforeAll(async () => {
    await docker.push(smallImage.name, kept());
    await docker.run("create", "--name", "changed", smallImage.name);
    await docker.run("commit", "--change", "LABEL changed=yes", "changed", "changed:1");
    await docker.push("changed:1", dropped());
    const needed = await blobsOf("shop/kept", "1");
    own = (await blobsOf("shop/dropped", "1")).filter((digest) => !needed.includes(digest));
    expect(own.length).toBeGreaterThan(0);
    await tools.skopeo("delete", "--tls-verify=false", `docker://${dropped()}`);
    await sleep((GRACE_PERIOD + 1) * 1000);
  });

  it("a dry run names what the deleted one alone used, and takes nothing", async () => {
    const report = await gc("--dry-run");
    for (const digest of own) expect(report).toContain(`blob        ${digest}`);
    expect(report).toContain("would free");
    expect((await headManifest(registry.host, "shop/kept", "1")).status).toBe(200);
  });

  it("a run takes it; the other one still pulls whole and runs", async () => {
    const report = await gc();
    for (const digest of own) expect(report).toContain(`blob        ${digest}`);
    expect(report).toContain("complete");
    expect((await headManifest(registry.host, "shop/dropped", "1")).status).toBe(404);
    for (const digest of await blobsOf("shop/kept", "1")) {
      expect((await hashBlob(registry.host, "shop/kept", digest)).digest).toBe(digest);
    }
    await docker.run("image", "rm", "--force", kept(), smallImage.name);
    await docker.run("pull", kept());
    expect(await docker.run("run", "--rm", "--network", "none", kept())).toBe(smallImage.output);
    await docker.run("tag", kept(), smallImage.name);
  });

  it("the run is on record", async () => {
    expect(await gc("--list")).toMatch(/complete in [\d.]+ s, \d+ objects deleted, freed/);
  });
});

it("cron's own call collects as well", async () => {
  const content = "nobody needs this";
  await send(`http://${registry.host}/v2/shop/cron/blobs/uploads/?digest=sha256:${await sha256(content)}`, {
    method: "POST",
    body: content,
  });
  await sleep((GRACE_PERIOD + 1) * 1000);
  expect((await fetch(`http://${registry.host}/cdn-cgi/local/scheduled`)).status).toBe(200);
  const blob = await send(`http://${registry.host}/v2/shop/cron/blobs/sha256:${await sha256(content)}`);
  expect(blob.status).toBe(404);
});

it("nobody but an administrator may call it", async () => {
  const { code, stderr } = await attempt(
    "npm",
    ["run", "--silent", "gc", "--", "--registry", `http://${registry.host}`],
    {
      cwd: ROOT,
      env: { DOCKER_CONFIG: join(workspace, "nobody") },
    },
  );
  expect([code, stderr.split("\n").filter((line) => line.startsWith("berth:"))]).toEqual([
    1,
    [
      `berth: ${registry.host} wants credentials: run docker login ${registry.host}, or use --username and --password-stdin.`,
    ],
  ]);
});

async function sha256(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Buffer.from(hash).toString("hex");
}
