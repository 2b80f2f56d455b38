/** `npm pack`: one program of plain JavaScript, as Node strips no types of what is installed. Nothing of the Worker. */

import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { build } from "esbuild";

const ROOT = resolve(import.meta.dirname, "../..");

await rm(`${ROOT}/dist`, { recursive: true, force: true });
await build({
  entryPoints: [`${ROOT}/src/cli/main.ts`],
  outdir: `${ROOT}/dist/cli`,
  bundle: true,
  // A command that is not run is not read.
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  // What needs it needs the Worker's sources as well, and says so.
  external: ["wrangler"],
  // Commander is CommonJS, and requires what Node has.
  banner: {
    js: 'import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);',
  },
  legalComments: "linked",
  logLevel: "warning",
});
