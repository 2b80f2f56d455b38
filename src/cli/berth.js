#!/usr/bin/env node
/**
 * `berth`: starts main.ts under a Node that runs TypeScript as it is: this one, else the project's own. Where it is
 * installed as a package, what npm pack has made of it.
 */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const SOURCE = new URL("main.ts", import.meta.url);
const MAIN = existsSync(SOURCE) ? SOURCE : new URL("../../dist/cli/main.js", import.meta.url);

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
// 24.5 strips types without a flag or a warning, and knows the proxy settings of the environment.
if (major > 24 || (major === 24 && minor >= 5)) await import(MAIN.href);
else runWith(projectNode());

/** The one among package.json's optional dependencies that is for this machine. */
function projectNode() {
  const { platform, arch } = process;
  const system = platform === "win32" ? "win" : platform;
  const name = `node-${system === "darwin" && arch === "arm64" ? "bin-" : ""}${system}-${arch}`;
  try {
    const folder = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
    return join(folder, "bin", system === "win" ? "node.exe" : "node");
  } catch {
    console.error(
      `berth: needs Node 24.5 or newer, and this is ${process.versions.node}. npm brings one, unless it is told to omit what is optional.`,
    );
    return process.exit(1);
  }
}

function runWith(node) {
  const child = spawn(node, [fileURLToPath(MAIN), ...process.argv.slice(2)], { stdio: "inherit" });
  // A terminal sends Ctrl-C to both; a supervisor only to this process.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.once("error", (error) => {
    console.error(`berth: cannot start ${node}: ${error.message}`);
    process.exit(1);
  });
  child.once("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
