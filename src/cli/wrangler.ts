/** Runs the project's own wrangler. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { stripVTControlCharacters } from "node:util";
import { badInput } from "./failure.ts";

export const ROOT = resolve(import.meta.dirname, "../..");

export const CONFIG = process.env.BERTH_CONFIG ?? `${ROOT}/wrangler.toml`;

/** What tells wrangler of it, which looks for the project's own by itself. */
const CHOSEN = process.env.BERTH_CONFIG === undefined ? [] : ["--config", CONFIG];

const WRANGLER = `${ROOT}/node_modules/wrangler/bin/wrangler.js`;

/** @throws Failure where only the programs are installed */
export function assertCheckout(): void {
  if (existsSync(WRANGLER) && existsSync(CONFIG)) return;
  throw badInput(
    "This needs Berth's sources: clone its repository, run npm ci there, and then this in its folder.",
  );
}

/** Where `npm start` keeps its state. */
export const STATE = resolve(process.env.BERTH_STATE ?? `${ROOT}/.wrangler/state`);

/** Where the bytes lie there, unless the registry has a store elsewhere. */
export const OBJECTS = `${STATE}/objects`;

/** For programs that run wrangler, or have it in them, where nobody watches. */
const QUIET = {
  // Nothing is asked of the network: no placeholder for request.cf, no metrics, no prompts.
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  // Its pages show and change users, rows and objects on the registry's own port, without a password.
  X_LOCAL_EXPLORER: "false",
  X_LOCAL_OBSERVABILITY: "false",
  NO_COLOR: "1",
  CI: "true",
};

/** Whom `npm start` makes where there are no users. */
export interface FirstUser {
  user: string;
  password: string;
}

/** What dev-server.ts says. `first`: null where there were users already. `message`: what to do, on one line. */
export type DevServerMessage =
  | { kind: "ready"; first: FirstUser | null }
  | { kind: "failed"; message: string };

/** What dev-server.ts is told, as JSON in its first argument. */
export interface DevServerSettings {
  host: string;
  port: number;
  /** Settings of the registry in place of those in wrangler.toml. */
  vars: Record<string, string>;
  /** Files; null for plain HTTP. */
  tls: { key: string; certificate: string } | null;
  /** A Worker in place of the one in wrangler.toml, for tests: a file. */
  entry: string | undefined;
}

/** Starts dev-server.ts with its output in pipes. It says a {@link DevServerMessage}. */
export function startDevServer(settings: DevServerSettings): ChildProcess {
  assertCheckout();
  const path = resolve(import.meta.dirname, "dev-server.ts");
  return spawn(process.execPath, [path, JSON.stringify(settings)], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: { ...process.env, ...QUIET },
  });
}

/** Runs wrangler to its end, or to this program's. @throws Error with all it said when it fails */
export async function runWrangler(args: string[]): Promise<string> {
  assertCheckout();
  const child = spawn(process.execPath, [WRANGLER, ...args, ...CHOSEN], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...QUIET },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (data: string) => {
    stdout += data;
  });
  child.stderr.setEncoding("utf8").on("data", (data: string) => {
    stderr += data;
  });
  // It would outlive this program, and go on filling a folder that has been removed.
  const end = () => child.kill();
  process.prependOnceListener("exit", end);
  const code = await new Promise((closed) => child.once("close", closed));
  process.off("exit", end);
  if (code !== 0) throw new Error(stripVTControlCharacters(`${stdout}${stderr}`).trim());
  return stdout;
}

/**
 * Runs wrangler to its end where the user sees it, and can answer what it asks.
 * @param where its output goes: beside ours, or to standard error, which leaves ours alone
 * @returns its exit code, and what it said of errors
 */
export async function showWrangler(
  args: string[],
  env: Record<string, string> = {},
  where: "stdout" | "stderr" = "stdout",
): Promise<{ code: number; said: string }> {
  assertCheckout();
  const child = spawn(process.execPath, [WRANGLER, ...args, ...CHOSEN], {
    cwd: ROOT,
    // It asks only where it has a terminal to ask on; errors it prints beside that.
    stdio: ["inherit", where === "stdout" ? "inherit" : 2, "pipe"],
    env: { ...process.env, ...env },
  });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (data: string) => {
    said += data;
    process.stderr.write(data);
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  return { code, said: stripVTControlCharacters(said) };
}
