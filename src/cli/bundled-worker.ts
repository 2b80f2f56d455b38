/** The Worker as it is deployed: wrangler bundles it. */

import { readdir } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { runWrangler } from "./wrangler.ts";

export interface BundledModule {
  type: "ESModule" | "Text";
  /** Of a file. */
  path: string;
}

/**
 * Bundles the Worker into a folder.
 * @param entry a Worker in place of the one in wrangler.toml: a file
 * @returns the modules, the one that is entered first
 * @throws Error with all that wrangler said
 */
export async function bundleWorker(folder: string, entry = "src/index.ts"): Promise<BundledModule[]> {
  await runWrangler(["deploy", entry, "--dry-run", "--outdir", folder]);
  const main = `${basename(entry, extname(entry))}.js`;
  // What else there is are files of the pages, as wrangler.toml says, and for people a README and a map.
  const texts = (await readdir(folder)).filter((name) => /-\w+\.(css|js|svg)$/.test(name));
  return [
    { type: "ESModule", path: join(folder, main) },
    ...texts.map((name) => ({ type: "Text" as const, path: join(folder, name) })),
  ];
}
