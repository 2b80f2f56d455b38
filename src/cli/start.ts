/** `npm start`: the registry on this machine, on loopback, with its state on local disk. */

import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { resolve } from "node:path";
import process from "node:process";

const ROOT = resolve(import.meta.dirname, "../..");
const HOST = "127.0.0.1";

const port = parsePort(process.env.PORT ?? "5000");
const state = resolve(process.env.BERTH_STATE ?? `${ROOT}/.wrangler/state`);

function parsePort(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0 && number < 65_536) return number;
  return fail(`PORT is ${JSON.stringify(text)}, but must be a number from 1 to 65535.`);
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function assertFree(port: number): Promise<void> {
  return new Promise((free) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") {
        fail(`Port ${port} is taken. Choose another one: PORT=${port + 1} npm start`);
      }
      fail(`Cannot listen on ${HOST}:${port}: ${error.message}`);
    });
    probe.listen(port, HOST, () => probe.close(() => free()));
  });
}

function wrangler(...args: string[]): ChildProcess {
  return spawn(process.execPath, [`${ROOT}/node_modules/wrangler/bin/wrangler.js`, ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      // Nothing is asked of the network: no placeholder for request.cf, no metrics, no prompts.
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
      WRANGLER_SEND_METRICS: "false",
      NO_COLOR: "1",
      CI: "true",
    },
  });
}

async function migrate(): Promise<void> {
  const child = wrangler("d1", "migrations", "apply", "DB", "--local", "--persist-to", state);
  let output = "";
  child.stdout?.on("data", (data) => (output += data));
  child.stderr?.on("data", (data) => (output += data));
  const code = await new Promise((closed) => child.once("close", closed));
  if (code !== 0) fail(`The database could not be prepared:\n${output}`);
}

function serve(): void {
  const child = wrangler(
    ...["dev", "--ip", HOST, "--port", String(port), "--persist-to", state],
    ...["--show-interactive-dev-session=false", "--infer-origin-from-routes=false"],
    // npm start -- --var GRACE_PERIOD:1h
    ...process.argv.slice(2),
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const log = new Log();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (data: string) => log.push(data));
  }
  child.once("close", (code) => {
    log.flush();
    process.exit(code ?? 0);
  });
}

/**
 * Passes on what wrangler says: once it serves, its log; before that nothing, unless it fails.
 * A client that hangs up is daily business of a registry, and no error of this server.
 */
class Log {
  #rest = "";
  #startup: string | null = "";

  push(data: string): void {
    const lines = (this.#rest + data).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line.replace("[wrangler:info] ", ""));
  }

  flush(): void {
    if (this.#startup) console.error(this.#startup);
  }

  #line(line: string): void {
    if (this.#startup === null) {
      if (line.trim() !== "" && !line.includes("Error inside ProxyWorker")) console.log(line);
    } else if (line.includes("Ready on ")) {
      this.#startup = null;
      greet();
    } else {
      this.#startup += `${line}\n`;
    }
  }
}

function greet(): void {
  console.log(`
Berth serves on ${HOST}:${port}, for this machine only. Push a first image:

  docker pull busybox
  docker tag busybox ${HOST}:${port}/library/busybox
  docker push ${HOST}:${port}/library/busybox
`);
}

await assertFree(port);
await migrate();
serve();
