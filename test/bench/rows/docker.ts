/** docker push and pull: of one large layer, and of many small ones, which do not compress. */

import { randomFillSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../e2e/support/command.ts";
import type { Docker } from "../../e2e/support/docker.ts";
import { sha256 } from "../../support/content.ts";
import { type Contenders, type Name, REGISTRIES } from "../contenders.ts";
import { type Row, seconds, type Way } from "../runner.ts";

export function dockerRows(contenders: Contenders): Row[] {
  return [
    ...rowsOf(contenders, "docker", "one layer of 100 MB", [100e6]),
    ...rowsOf(contenders, "docker-30", "30 layers of 10 KB", Array(30).fill(10_000)),
  ];
}

function rowsOf(contenders: Contenders, name: string, image: string, layers: number[]): Row[] {
  const pulled = (registry: Name) => `${contenders.hostOf(registry)}/bench/${name}-pull:1`;
  let pushes = 0;
  const push = (registry: Name): Way => {
    return async () => {
      const docker = await contenders.docker();
      // Another image each time: docker remembers where it has pushed a layer to.
      const local = await load(contenders, docker, layers);
      const target = `${contenders.hostOf(registry)}/bench/${name}:${++pushes}`;
      await docker.run("tag", local, target);
      const taken = await seconds(() => docker.run("push", target));
      await docker.run("rmi", local, target);
      return taken;
    };
  };
  const pull = (registry: Name): Way => {
    return async () => {
      const docker = await contenders.docker();
      const taken = await seconds(() => docker.run("pull", pulled(registry)));
      await docker.run("rmi", pulled(registry));
      return taken;
    };
  };
  const each = (way: (registry: Name) => Way) =>
    Object.fromEntries(REGISTRIES.map((registry) => [registry, way(registry)]));
  return [
    {
      ...{ name: `${name}-push`, what: `docker push, ${image}`, unit: "s" },
      ...{ ways: each(push), goals: { "registry:2": 1.1 } },
    },
    {
      ...{ name: `${name}-pull`, what: `docker pull, ${image}`, unit: "s" },
      ...{ ways: each(pull), goals: { "registry:2": 1 } },
      prepare: async () => {
        const docker = await contenders.docker();
        const local = await load(contenders, docker, layers);
        for (const registry of REGISTRIES) {
          await docker.push(local, pulled(registry));
          await docker.run("rmi", pulled(registry));
        }
        await docker.run("rmi", local);
      },
    },
  ];
}

let images = 0;

/** Makes an image of random layers, as `docker save` would have. @returns its name */
async function load({ workspace }: Contenders, docker: Docker, sizes: number[]): Promise<string> {
  const folder = mkdtempSync(join(workspace, "image-"));
  const name = `bench-local:${++images}`;
  const layers: { path: string; digest: string }[] = [];
  for (const [index, size] of sizes.entries()) {
    layers.push(await writeLayer(folder, index, size));
  }
  const config = JSON.stringify({
    ...{ architecture: "amd64", os: "linux", config: {} },
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
  });
  writeFileSync(join(folder, "config.json"), config);
  const entry = { Config: "config.json", RepoTags: [name], Layers: layers.map(({ path }) => path) };
  writeFileSync(join(folder, "manifest.json"), JSON.stringify([entry]));
  const archive = `${folder}.tar`;
  await run("tar", ["--create", "--file", archive, "--directory", folder, "."]);
  await docker.run("load", "--quiet", "--input", archive);
  rmSync(folder, { recursive: true });
  rmSync(archive);
  return name;
}

/** A layer of one file. */
async function writeLayer(folder: string, index: number, size: number) {
  const content = join(folder, `content-${index}`);
  const path = `${index}/layer.tar`;
  mkdirSync(content);
  mkdirSync(join(folder, `${index}`));
  writeFileSync(join(content, `file-${index}`), randomFillSync(Buffer.allocUnsafe(size)));
  await run("tar", ["--create", "--file", join(folder, path), "--directory", content, `file-${index}`]);
  rmSync(content, { recursive: true });
  return { path, digest: sha256(readFileSync(join(folder, path))) };
}
