/** Runs the project's own wrangler. */

import { spawn } from "node:child_process";
import { resolve } from "node:path";
import process from "node:process";
import { stripVTControlCharacters } from "node:util";

const ROOT = resolve(import.meta.dirname, "../..");

const WRANGLER = `${ROOT}/node_modules/wrangler/bin/wrangler.js`;

/** Where `npm start` keeps its state. */
export const STATE = resolve(process.env.BERTH_STATE ?? `${ROOT}/.wrangler/state`);

/** Starts wrangler with its output in pipes. */
export function startWrangler(args: string[]) {
  return spawn(process.execPath, [WRANGLER, ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      // Nothing is asked of the network: no placeholder for request.cf, no metrics, no prompts.
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
      WRANGLER_SEND_METRICS: "false",
      // Its pages show and change users, rows and objects on the registry's own port, without a password.
      X_LOCAL_EXPLORER: "false",
      X_LOCAL_OBSERVABILITY: "false",
      NO_COLOR: "1",
      CI: "true",
    },
  });
}

/** Runs wrangler to its end. @throws Error with all it said when it fails */
export async function runWrangler(args: string[]): Promise<string> {
  const child = startWrangler(args);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (data: string) => {
    stdout += data;
  });
  child.stderr.setEncoding("utf8").on("data", (data: string) => {
    stderr += data;
  });
  const code = await new Promise((closed) => child.once("close", closed));
  if (code !== 0) throw new Error(stripVTControlCharacters(`${stdout}${stderr}`).trim());
  return stdout;
}

/** Runs wrangler to its end where the user sees it, and can answer what it asks. @returns its exit code */
export async function showWrangler(args: string[]): Promise<number> {
  const child = spawn(process.execPath, [WRANGLER, ...args], { cwd: ROOT, stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}
