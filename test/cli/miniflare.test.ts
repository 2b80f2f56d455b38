/** `npm start` uses miniflare by itself; wrangler, which bundles for it and reads the configuration, brings its own. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../e2e/support/registry.ts";

function read(path: string): {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
} {
  return JSON.parse(readFileSync(join(ROOT, path), "utf8"));
}

test("there is one miniflare: the version that wrangler asks for", () => {
  const wanted = read("node_modules/wrangler/package.json").dependencies?.miniflare;
  expect(wanted).toMatch(/^\d/);
  expect(read("package.json").devDependencies?.miniflare).toBe(wanted);
});
