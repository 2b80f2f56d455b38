/** The drill of docs/restore.md, on local state: a backup, a loss, and the registry as it was. */

import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Layout } from "../cli/support/images.ts";
import { type Descriptor, hashBlob, headManifest } from "./support/api.ts";
import { run } from "./support/command.ts";
import { berth } from "./support/edge.ts";
import { freePort } from "./support/ports.ts";
import { type Registry, ROOT, startRegistry } from "./support/registry.ts";
import { workspace } from "./support/shared.ts";

const folder = mkdtempSync(join(workspace, "restore-"));
// Where wrangler looks for the state of this configuration: its export takes no other folder.
const config = join(folder, "wrangler.toml");
const state = join(folder, ".wrangler/state");
const objects = join(state, "objects");
const backup = { database: join(folder, "berth.sql"), objects: join(folder, "objects") };
const images: Record<string, Descriptor> = {};
let port = 0;

function start(): Promise<Registry> {
  return startRegistry(workspace, { port, state });
}

async function push({ host }: Registry, tag: string): Promise<void> {
  const layout = new Layout(join(folder, `layout-${tag}`));
  images[tag] ??= layout.image(`layer of ${tag}`.repeat(100_000));
  layout.index(images[tag]);
  const { code, stderr } = await berth(["push", layout.folder, `${host}/app:${tag}`], folder);
  expect(code, stderr).toBe(0);
}

function wrangler(...args: string[]): Promise<string> {
  const program = join(ROOT, "node_modules/wrangler/bin/wrangler.js");
  const env = { CI: "true", WRANGLER_SEND_METRICS: "false" };
  return run(process.execPath, [program, ...args, "--local", "--config", config], { cwd: folder, env });
}

function scrub({ host }: Registry, ...args: string[]) {
  return berth(["scrub", "--registry", host, "--json", ...args], folder);
}

/** Everything goes, and what the backup has comes back. */
async function restore(): Promise<void> {
  rmSync(state, { recursive: true });
  await wrangler("d1", "execute", "DB", "--yes", "--file", backup.database);
  cpSync(backup.objects, objects, { recursive: true });
}

/** The file that holds the largest object. */
function largestObject(below: string): string {
  const files = readdirSync(below, { recursive: true, encoding: "utf8" })
    .map((path) => join(below, path))
    .filter((path) => path.includes("/blobs/") && statSync(path).isFile());
  return files.sort((one, other) => statSync(other).size - statSync(one).size)[0] ?? "";
}

beforeAll(async () => {
  port = await freePort();
  mkdirSync(folder, { recursive: true });
  cpSync(join(ROOT, "wrangler.toml"), config);
  const registry = await start();
  for (const tag of ["1", "2"]) await push(registry, tag);
  await registry.service.stop();

  // The database first: what it names is in the bucket by then, and stays for DELETED_BYTES_KEPT.
  await wrangler("d1", "export", "DB", "--output", backup.database);
  cpSync(objects, backup.objects, { recursive: true });

  const again = await start();
  await push(again, "after-the-backup");
  await again.service.stop();
});

describe("a registry that was lost", () => {
  it("is as it was at the backup, and a scrub finds nothing to mend", async () => {
    await restore();
    const registry = await start();
    const { code, stdout, stderr } = await scrub(registry, "--rebuild");
    expect(code, stdout + stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ quarantined: [], missing: [], damaged: [] });
    for (const tag of ["1", "2"])
      expect((await headManifest(registry.host, "app", tag)).digest).toBe(images[tag]?.digest);
    expect((await headManifest(registry.host, "app", "after-the-backup")).status).toBe(404);

    // And lives on: what came later is pushed again, and collection knows the bucket for its own.
    await push(registry, "after-the-backup");
    const { code: collected, stdout: report } = await berth(
      ["gc", "--registry", registry.host, "--json"],
      folder,
    );
    expect([collected, JSON.parse(report).outcome]).toEqual([0, "complete"]);
    await registry.service.stop();
  });

  it("of which the bucket's copy lacks an object says which image that is, until it is pushed again", async () => {
    await restore();
    rmSync(largestObject(objects));
    const registry = await start();
    const { code, stdout } = await scrub(registry, "--rebuild");
    const { missing, damaged } = JSON.parse(stdout);
    expect([code, missing.length, damaged.length]).toEqual([1, 1, 1]);
    const [{ repository, tags }] = damaged;
    expect(repository).toBe("app");
    await push(registry, tags[0]);
    expect((await scrub(registry)).code).toBe(0);
    const { digest } = missing[0];
    expect((await hashBlob(registry.host, "app", digest)).digest).toBe(digest);
    await registry.service.stop();
  });
});
