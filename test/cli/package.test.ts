/** The package: what is in it, and that its program works where there is nothing else. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { attempt } from "../e2e/support/command.ts";
import { Layout } from "./support/images.ts";
import { MemoryRegistry } from "./support/memory-registry.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "berth-test-"));
const clean = join(folder, "clean");
let files: string[] = [];

/** The npm that comes with the system, on the Node that runs this. */
function npm(cwd: string, ...args: string[]): string {
  const path = `${dirname(process.execPath)}:${process.env.PATH}`;
  return execFileSync("npm", args, { cwd, env: { ...process.env, PATH: path }, encoding: "utf8" });
}

const berth = (...args: string[]) =>
  attempt(join(clean, "node_modules/.bin/berth"), args, {
    cwd: clean,
    env: {
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      DOCKER_CONFIG: folder,
      XDG_CACHE_HOME: folder,
    },
  });

beforeAll(() => {
  const [packed] = JSON.parse(npm(ROOT, "pack", "--json", "--silent", "--pack-destination", folder));
  files = packed.files.map(({ path }: { path: string }) => path);
  mkdirSync(clean);
  npm(clean, "init", "--yes");
  // Nothing is asked of a network: the package has all that it needs but Node.
  npm(clean, "install", "--offline", "--omit=optional", "--no-audit", join(folder, packed.filename));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }));

test("has the program, and nothing of the Worker", () => {
  expect(files).toContain("src/cli/berth.js");
  expect(files.filter((path) => /\.ts$|\.toml$|\.sql$|^test|^migrations/.test(path))).toEqual([]);
  expect(
    files.filter((path) => !/^(dist\/|src\/cli\/berth\.js$|[A-Z]+(\.md)?$|package\.json$)/.test(path)),
  ).toEqual([]);
});

test("pushes an image to a registry", async () => {
  const registry = await new MemoryRegistry().listen();
  const layout = new Layout(join(folder, "layout"));
  const { digest } = layout.image("layer");
  layout.index({ mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 1 });
  const target = `${registry.origin.replace("http://", "")}/app:1`;
  const { code, stdout, stderr } = await berth("push", layout.folder, target);
  registry.close();
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: `${target}@${digest}\n` });
});

test("says its version, and lists its commands", async () => {
  expect((await berth("--version")).stdout).toBe("0.1.0\n");
  expect((await berth("--help")).stdout).toMatch(/^ {2}import /m);
});

test.each(["start", "deploy", "user list", "user list --remote"])(
  "says of %s that it needs a checkout",
  async (command) => {
    const { code, stdout, stderr } = await berth(...command.split(" "));
    expect([code, stdout, stderr]).toEqual([2, "", expect.stringMatching(/^berth: .*clone its repository/)]);
  },
);
