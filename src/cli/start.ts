/** `npm start`: the registry on this machine, on loopback, with its state on local disk. */

import { createServer } from "node:net";
import process from "node:process";
import { Command, Option } from "commander";
import { badInput } from "./failure.ts";
import { onSignals } from "./signals.ts";
import { type DevServerMessage, type FirstUser, startDevServer } from "./wrangler.ts";

const HOST = "127.0.0.1";

const HELP = `
PORT chooses another port than 5000, BERTH_STATE another folder for the state
than .wrangler/state, BERTH_CONFIG another wrangler.toml.

Examples:
  $ npm start
  $ PORT=5001 npm start -- --var GRACE_PERIOD:1h
`;

interface Options {
  var?: string[];
  localProtocol: "http" | "https";
  httpsKeyPath?: string;
  httpsCertPath?: string;
}

/** Set before anything else is done. */
let port = 0;

function parsePort(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number > 0 && number < 65_536) return number;
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

function serve(options: Options): void {
  const { localProtocol, httpsKeyPath, httpsCertPath } = options;
  const tls = localProtocol === "https" ? { key: httpsKeyPath, certificate: httpsCertPath } : null;
  const child = startDevServer({
    host: HOST,
    port,
    vars: varsOf(options),
    tls,
    entry: process.env.BERTH_ENTRY,
  });
  let told = false;
  onSignals((signal) => {
    told = true;
    child.kill(signal);
  });
  const log = new Log();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (data: string) => log.push(data));
  }
  child.once("message", (said: DevServerMessage) => {
    if (said.kind === "unprepared") fail(`The local state could not be prepared:\n${said.message}`);
    log.begin();
    greet(said.first);
  });
  child.once("close", (code) => {
    log.flush();
    process.exit(told ? 0 : (code ?? 1));
  });
}

/** @throws Failure */
function varsOf({ var: given = [] }: Options): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const colon = text.indexOf(":");
      if (colon < 1) throw badInput(`--var ${text} is no setting: write it like GRACE_PERIOD:1h.`);
      return [text.slice(0, colon), text.slice(colon + 1)];
    }),
  );
}

/**
 * Passes on what wrangler says: once it serves, its log; before that nothing, unless it fails.
 * A client that hangs up is daily business of a registry, and no error of this server.
 */
class Log {
  #rest = "";
  /** Null once it serves. */
  #startup: string | null = "";

  push(data: string): void {
    const lines = (this.#rest + data).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line.replace("[wrangler:info] ", ""));
  }

  /** It serves. */
  begin(): void {
    this.#startup = null;
  }

  flush(): void {
    if (this.#startup) console.error(this.#startup);
  }

  #line(line: string): void {
    if (this.#startup !== null) this.#startup += `${line}\n`;
    else if (line.trim() !== "" && !NOISE.some((noise) => line.includes(noise))) console.log(line);
  }
}

/**
 * What wrangler says as it begins and ceases to serve, and of a client that hangs up; and the registry's own line of
 * a request: wrangler has a shorter one.
 */
const NOISE = [
  '{"event":"request"',
  "Starting local server",
  "Ready on ",
  "Shutting down local server",
  "Error inside ProxyWorker",
];

function greet(first: FirstUser | null): void {
  const here = `${HOST}:${port}`;
  const login =
    first === null
      ? `  docker login ${here}          more users: npx berth user add NAME`
      : `  docker login -u ${first.user} -p ${first.password} ${here}`;
  console.log(`
Berth serves on ${here}, for this machine only.${first === null ? "" : " This password is shown only once."}

${login}
  docker pull busybox
  docker tag busybox ${here}/library/busybox
  docker push ${here}/library/busybox
`);
}

async function run(options: Options): Promise<void> {
  port = parsePort(process.env.PORT ?? "5000");
  // What is wrong is said before anything is changed.
  varsOf(options);
  await assertFree(port);
  serve(options);
}

export function startCommand(): Command {
  return new Command("start")
    .description("Runs the registry on this machine.")
    .option("--var <name:value...>", "a setting in place of the one in wrangler.toml")
    .addOption(
      new Option("--local-protocol <protocol>", "https: with a certificate made up, or the one given")
        .choices(["http", "https"])
        .default("http"),
    )
    .option("--https-key-path <file>", "the certificate's key")
    .option("--https-cert-path <file>", "the certificate")
    .addHelpText("after", HELP)
    .action(run);
}
