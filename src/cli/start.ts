/** `npm start`: the registry on this machine, on loopback, with its state on local disk. */

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { Command } from "commander";
import { type Certificate, ensureCertificate } from "./certificate.ts";
import { badInput, Failure } from "./failure.ts";
import { type OutputOptions, print, withJson } from "./output.ts";
import { assertFree, parsePort } from "./port.ts";
import { onSignals } from "./signals.ts";
import { assertCheckout, type DevServerMessage, type FirstUser, STATE, startDevServer } from "./wrangler.ts";

const HOST = "127.0.0.1";

/** Milliseconds. */
const WATCHED_EVERY = 500;

const HELP = `
PORT chooses another port than 5000, BERTH_STATE another folder for the state
than .wrangler/state, BERTH_CONFIG another wrangler.toml.

Examples:
  $ npm start
  $ PORT=5001 npm start -- --var GRACE_PERIOD:1h
  $ npm start -- --https

With --json it prints one line once it serves: where, and the user that it has
made, if any. Its log goes to standard error then.
`;

interface Options extends OutputOptions {
  var?: string[];
  https?: boolean;
  httpsKey?: string;
  httpsCert?: string;
}

/** Set before anything else is done. */
let port = 0;

/** Ends this program with the server. @throws Failure when it cannot begin */
function serve(options: Options, tls: Certificate | null): Promise<never> {
  const child = startDevServer({
    host: HOST,
    port,
    vars: varsOf(options),
    tls,
    entry: process.env.BERTH_ENTRY,
  });
  let told = false;
  const end = (signal: NodeJS.Signals) => {
    told = true;
    child.kill(signal);
  };
  onSignals(end);
  onOrphaned(() => end("SIGTERM"));
  const log = new Log(options.json ? console.error : console.log);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (data: string) => log.push(data));
  }
  child.once("close", (code) => {
    // Whoever ends it while it begins asks for no reasons.
    if (!told) log.flush();
    process.exit(told ? 0 : (code ?? 1));
  });
  return new Promise((_, reject) => {
    child.once("message", (said: DevServerMessage) => {
      if (said.kind === "failed") return reject(new Failure(said.message));
      log.begin();
      greet(options, said.first, tls);
    });
  });
}

/** npm passes a signal on to its shell alone, which dies of it and tells nobody. Who is no child of npm's may outlive its parent. */
function onOrphaned(end: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || end(), WATCHED_EVERY).unref();
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
 * Passes on what dev-server.ts says: once it serves, its log; before that nothing, unless it fails.
 */
class Log {
  #rest = "";
  /** Null once it serves. */
  #startup: string | null = "";
  readonly #print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  push(data: string): void {
    const lines = (this.#rest + data).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
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
    else if (line.trim() !== "") this.#print(line);
  }
}

function greet(options: Options, first: FirstUser | null, tls: Certificate | null): void {
  const here = `${HOST}:${port}`;
  // Docker does not verify the certificates of this machine's registries; the others do.
  const trust =
    tls === null ? "" : `\nIts certificate is ${tls.certificate}; docs/clients.md says how to trust it.\n`;
  const login =
    first === null
      ? `  docker login ${here}          more users: npx berth user add NAME`
      : `  docker login -u ${first.user} -p ${first.password} ${here}`;
  const said = `
Berth serves on ${here}, for this machine only.${first === null ? "" : " This password is shown only once."}
${trust}
${login}
  docker pull busybox
  docker tag busybox ${here}/library/busybox
  docker push ${here}/library/busybox
`;
  const url = `${tls === null ? "http" : "https"}://${here}`;
  print(options, said, { url, certificate: tls?.certificate ?? null, first });
}

async function run(options: Options): Promise<void> {
  assertCheckout();
  port = parsePort(process.env.PORT ?? "5000");
  // What is wrong is said before anything is changed.
  varsOf(options);
  const own = ownCertificate(options);
  await assertFree(HOST, port);
  await serve(options, own ?? (options.https ? await ensureCertificate(join(STATE, "tls")) : null));
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
  return withJson(new Command("start"))
    .description("Runs the registry on this machine.")
    .option("--var <name:value...>", "a setting in place of the one in wrangler.toml")
    .option("--https", "speak TLS, with a certificate that is made and kept beside the state")
    .option("--https-cert <file>", "with this certificate and those it was signed by (PEM)")
    .option("--https-key <file>", "the certificate's key (PEM)")
    .addHelpText("after", HELP)
    .action(run);
}
