/**
 * What all files share: a registry, a docker daemon, and two images that docker has built but not pushed yet.
 * All of it lives in one temporary folder, and ends with the run.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { TestProject } from "vitest/node";
import { configWith } from "./support/configs.ts";
import { startDocker } from "./support/docker.ts";
import { createBuildContext } from "./support/image.ts";
import { freePort } from "./support/ports.ts";
import { killUsersOf } from "./support/process-group.ts";
import { startRegistry } from "./support/registry.ts";
import type { Service } from "./support/service.ts";
import { asVars, openStore, type RegistryStore } from "./support/store.ts";

/** More than the edge lets through at a time. Bytes. */
const BIG_LAYER = 80 * 1024 ** 2;

/** Where nothing turns on the size: each client spends seconds on a large layer, each time. Bytes. */
const SMALL_LAYER = 12 * 1024 ** 2;

declare module "vitest" {
  interface ProvidedContext {
    /** The temporary folder. */
    workspace: string;
    /** The shared registry. */
    host: string;
    registryLog: string;
    dockerSocket: string;
    /** An image's name in docker, and what a container of it prints. */
    image: { name: string; output: string };
    /** Another one, that shares no large layer with it. */
    smallImage: { name: string; output: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const workspace = mkdtempSync(join(tmpdir(), "berth-e2e-"));
  const services: Service[] = [];
  // The shared registry's, where somebody asks for it: CONTRIBUTING.md.
  let store: RegistryStore | null = null;
  const teardown = async () => {
    const stopped = await Promise.allSettled(services.map((service) => service.stop()));
    store?.outer?.stop();
    killUsersOf(workspace);
    remove(workspace);
    for (const result of stopped) if (result.status === "rejected") throw result.reason;
  };

  try {
    const at = { port: await freePort(), state: join(workspace, "shared-registry") };
    store = await openStore(process.env.STORE ?? "disk", at);
    const config = store.needsS3 ? { BERTH_CONFIG: configWith(workspace, { s3: true }) } : {};
    const registry = await startRegistry(workspace, at, asVars(store.variables), config);
    services.push(registry.service);
    const { service, socket, docker } = await startDocker(workspace);
    services.push(service);
    const big = createBuildContext(workspace, BIG_LAYER);
    await docker.build(big.directory, "fixture");
    const small = createBuildContext(workspace, SMALL_LAYER);
    await docker.build(small.directory, "small-fixture");

    project.provide("workspace", workspace);
    project.provide("host", registry.host);
    project.provide("registryLog", registry.service.logFile);
    project.provide("dockerSocket", socket);
    project.provide("image", { name: "fixture", output: big.output });
    project.provide("smallImage", { name: "small-fixture", output: small.output });
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}

/** Container tools leave mounts behind, which would hold the folder. */
function remove(workspace: string): void {
  const mounts = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.startsWith(`${workspace}/`));
  // The innermost first.
  for (const path of mounts.reverse()) execFileSync("umount", [path]);
  rmSync(workspace, { recursive: true, force: true });
}
