/** `berth push` past the edge: what docker save and skopeo write, interrupted pushes, and a bad end. */

import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { getManifest, hashBlob, headManifest } from "./support/api.ts";
import { attempt, run } from "./support/command.ts";
import { ContainerTools } from "./support/containers.ts";
import { BERTH, berth, berthEnv, type Edge, startEdge, startFrayedLine } from "./support/edge.ts";
import { logInTo } from "./support/login.ts";
import { faultsIn, type Registry, startRegistry } from "./support/registry.ts";
import { docker, host, image, workspace } from "./support/shared.ts";

const tools = new ContainerTools(workspace);
const folder = mkdtempSync(join(workspace, "push-"));
const layout = join(folder, "layout");
const saved = join(folder, "saved.tar");
let registry: Registry;
let edge: Edge;
/** Of the image in `layout`. */
let digest = "";

function push(source: string, target: string, ...options: string[]) {
  logInTo(join(folder, "config.json"), [target]);
  return berth(["push", source, target, ...options], folder);
}

function chunksOf(name: string): number {
  return edge.requests().filter((line) => line.startsWith(`PATCH /v2/${name}/`) && line.endsWith(" 202"))
    .length;
}

/** @throws unless the registry serves every blob of the image as what its descriptor says */
async function expectWhole(name: string): Promise<void> {
  const { config, layers } = await getManifest(registry.host, name, digest);
  for (const { digest, size } of [config, ...layers]) {
    expect(await hashBlob(registry.host, name, digest)).toEqual({ digest, size });
  }
}

beforeAll(async () => {
  registry = await startRegistry(workspace);
  edge = await startEdge(workspace, registry.host);
  await docker.push(image.name, `${host}/push/source:1`);
  digest = await tools.copy(`docker://${host}/push/source:1`, `oci:${layout}:1`);
  await docker.run("save", "--output", saved, image.name);
});
afterAll(async () => {
  await edge.service.stop();
  expect(faultsIn(registry.service.log)).toEqual([]);
  await registry.service.stop();
});

describe("berth push", () => {
  it("brings an OCI layout past the edge, under the digest that it has", async () => {
    const { code, stdout, stderr } = await push(layout, `${edge.host}/layout:1`);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${edge.host}/layout:1@${digest}\n` });
    expect(stderr).toMatch(/^Sent 7 blobs \(8\d\.\d MB\) in [\d.]+ s, [\d.]+ MB\/s\.$/m);
    expect((await headManifest(registry.host, "layout", "1")).digest).toBe(digest);
    expect(chunksOf("layout")).toBeGreaterThan(9);
    await expectWhole("layout");
  });

  it("skips what is there, and mounts what another repository has", async () => {
    expect((await push(layout, `${edge.host}/layout:2`)).stderr).toContain("skipped 7 blobs that were there");
    const mounted = await push(layout, `${edge.host}/mounted:1`, "--mount-from", "layout");
    expect(mounted.stderr).toContain("Sent 0 blobs; mounted 7 blobs.");
  });

  it("brings what docker save writes to its standard output, and docker pulls and runs it", async () => {
    const target = `${edge.host}/saved:1`;
    const script = `cat ${saved} | ${process.execPath} ${BERTH} push - ${target}`;
    const pushed = (await run("sh", ["-c", script], { env: berthEnv(folder, [target]) })).split("@")[1];
    const ref = `${registry.host}/saved:1`;
    expect(await docker.run("pull", ref)).toContain(`Digest: ${pushed}`);
    expect(await docker.run("run", "--rm", "--network", "none", ref)).toBe(image.output);
    // The image's id is its config's digest.
    const ids = await docker.run("image", "inspect", "--format", "{{.Id}}", ref, image.name);
    expect(new Set(ids.split("\n")).size).toBe(1);
  });

  it("shows bars on a terminal", async () => {
    const target = `${edge.host}/bars:1`;
    const shown = await run(
      "script",
      ["-qec", `${process.execPath} ${BERTH} push ${layout} ${target}`, "/dev/null"],
      {
        env: berthEnv(folder, [target]),
      },
    );
    expect(shown).toMatch(/sha256:[0-9a-f]{12} {2}█+░+ +\d+% of 8\d\.\d MB/);
    expect(shown).toContain(digest);
  });
});

describe("a push that is interrupted", () => {
  it("goes on where it was when it is started again", async () => {
    const target = `${edge.host}/interrupted:1`;
    const child = spawn(process.execPath, [BERTH, "push", layout, target], {
      env: { ...process.env, ...berthEnv(folder, [target]) },
    });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await expect.poll(() => chunksOf("interrupted"), { interval: 20 }).toBeGreaterThan(3);
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    expect((await headManifest(registry.host, "interrupted", "1")).status).toBe(404);

    const { code, stderr } = await push(layout, target);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/sent, from \d+\.\d MB on/);
    await expectWhole("interrupted");
  });

  it("by a registry that is killed, ends well once it is back", async () => {
    const pushing = push(layout, `${edge.host}/killed:1`);
    await expect.poll(() => chunksOf("killed"), { interval: 20 }).toBeGreaterThan(3);
    await registry.service.kill();
    await sleep(1500);
    registry = await startRegistry(workspace, registry);
    const { code, stderr } = await pushing;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/502 Bad Gateway; trying again in/);
    await expectWhole("killed");
  });

  it("by cut connections, ends well", async () => {
    const lengths = Array.from({ length: 8 }, () => Math.ceil(Math.random() * 16_000_000));
    const line = await startFrayedLine(edge.host, lengths);
    const { code, stderr } = await push(layout, `${line.host}/frayed:1`);
    expect(code, `${stderr} ${lengths}`).toBe(0);
    expect(line.cuts()).toBeGreaterThan(3);
    await expectWhole("frayed");
    line.close();
  });
});

describe("one line, and nothing under the tag, is what remains of", () => {
  it.each([
    [
      "a truncated archive",
      "head -c 50000000 saved.tar > truncated.tar",
      "truncated.tar",
      /truncated: it ends within/,
    ],
    [
      "an archive without a layer",
      "mkdir few; tar xf saved.tar -C few --exclude layer.tar; tar cf few.tar -C few .; rm -r few",
      "few.tar",
      /it lacks ".*layer.tar"/,
    ],
    [
      "a layer that is something else",
      "printf x | dd of=bad.tar bs=1 seek=50000000 conv=notrunc",
      "bad.tar",
      /is damaged/,
    ],
    [
      "a path that climbs out",
      "tar --append -P --transform 's,^,../../,' -f out.tar /etc/hostname",
      "out.tar",
      /climbs out/,
    ],
    ["what is no tar", "head -c 1000000 /dev/urandom > random", "random", /is no tar archive/],
  ])("%s", async (_, script, file, message) => {
    await attempt("sh", ["-c", `cp --reflink=auto saved.tar ${file}; ${script}`], { cwd: folder });
    const { code, stdout, stderr } = await push(join(folder, file), `${edge.host}/bad:1`);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect((await headManifest(registry.host, "bad", "1")).status).toBe(404);
    await attempt("rm", [join(folder, file)]);
  });

  it("wrong credentials", async () => {
    const target = `${edge.host}/bad:1`;
    const script = `echo wrong | ${process.execPath} ${BERTH} push ${layout} ${target} --username admin --password-stdin`;
    const { code, stderr } = await attempt("sh", ["-c", script]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^berth: .* refuses these credentials: .*\n$/),
    });
  });

  it("a registry that does not answer", async () => {
    const { code, stderr } = await push(layout, "127.0.0.1:1/x:1");
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^berth: Cannot reach .*\n$/),
    });
  });
});

it("runs by npx from a checkout, whatever Node is there", async () => {
  const help = await run("npx", ["--no", "berth", "push", "--help"], {
    cwd: join(import.meta.dirname, "../.."),
  });
  expect(help).toContain("docker save app:1 | berth push -");
});
