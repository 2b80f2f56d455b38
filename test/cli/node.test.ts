/** The Node that the project brings: every byte of it under the lockfile's checksum, and first for every npm run. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
const read = (file: string) => JSON.parse(readFileSync(resolve(ROOT, file), "utf8"));

test("no package is without a checksum, and few may run a script", () => {
  const packages = Object.entries<{ integrity?: string; hasInstallScript?: boolean }>(
    read("package-lock.json").packages,
  ).filter(([path]) => path !== "");
  expect(packages.filter(([, { integrity }]) => !integrity?.startsWith("sha512-"))).toEqual([]);
  const allowed = Object.keys(read("package.json").allowScripts);
  expect(allowed.toSorted()).toEqual(["esbuild", "workerd"]);
});

test("there is one for each system, and it runs first", () => {
  const { optionalDependencies } = read("package.json");
  const { packages } = read("package-lock.json");
  for (const [name, version] of Object.entries(optionalDependencies)) {
    expect(packages[`node_modules/${name}`]).toMatchObject({ version, optional: true });
  }
  const node = execFileSync(resolve(ROOT, "node_modules/.bin/node"), ["--version"]).toString();
  expect(Object.values(optionalDependencies)).toContain(node.trim().slice(1));
});
