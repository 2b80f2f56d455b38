/** `npm start`: the registry on this machine, on loopback, with its state on local disk. */

import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import process from "node:process";
import { Command } from "commander";
import { type Certificate, ensureCertificate } from "./certificate.ts";
import { badInput } from "./failure.ts";
import { onSignals } from "./signals.ts";
import { type DevServerMessage, type FirstUser, STATE, startDevServer } from "./wrangler.ts";

const HOST = "127.0.0.1";

const HELP = `
PORT chooses another port than 5000, BERTH_STATE another folder for the state
than .wrangler/state, BERTH_CONFIG another wrangler.toml.

Examples:
  $ npm start
  $ PORT=5001 npm start -- --var GRACE_PERIOD:1h
  $ npm start -- --https
`;

interface Options {
  var?: string[];
  https?: boolean;
  httpsKey?: string;
  httpsCert?: string;
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

function serve(options: Options, tls: Certificate | null): void {
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
    greet(said.first, tls);
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

function greet(first: FirstUser | null, tls: Certificate | null): void {
  const here = `${HOST}:${port}`;
  // Docker does not verify the certificates of this machine's registries; the others do.
  const trust =
    tls === null ? "" : `\nIts certificate is ${tls.certificate}; docs/clients.md says how to trust it.\n`;
  const login =
    first === null
      ? `  docker login ${here}          more users: npx berth user add NAME`
      : `  docker login -u ${first.user} -p ${first.password} ${here}`;
  console.log(`
Berth serves on ${here}, for this machine only.${first === null ? "" : " This password is shown only once."}
${trust}
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
  const own = ownCertificate(options);
  await assertFree(port);
  serve(options, own ?? (options.https ? await ensureCertificate(join(STATE, "tls")) : null));
}

/** Null when none is given. @throws Failure */
function ownCertificate({ httpsCert, httpsKey }: Options): Certificate | null {
  if (httpsCert === undefined && httpsKey === undefined) return null;
  if (httpsCert === undefined || httpsKey === undefined)
    throw badInput("--https-cert and --https-key go together.");
  for (const file of [httpsCert, httpsKey])
    if (!existsSync(file)) throw badInput(`There is no file ${file}.`);
  return { certificate: resolve(httpsCert), key: resolve(httpsKey) };
}

export function startCommand(): Command {
  return new Command("start")
    .description("Runs the registry on this machine.")
    .option("--var <name:value...>", "a setting in place of the one in wrangler.toml")
    .option("--https", "speak TLS, with a certificate that is made and kept beside the state")
    .option("--https-cert <file>", "with this certificate and those it was signed by (PEM)")
    .option("--https-key <file>", "the certificate's key (PEM)")
    .addHelpText("after", HELP)
    .action(run);
}
