/**
 * The registry in workerd, as `npm start` runs it: a process of its own, so that what it prints can be read and left
 * out. `wrangler dev` is the same with another workerd before it, a proxy, which takes several times as long as the
 * registry's own for a small answer; and it leaves workerd's inspector open on some port: through that any program of
 * this machine reads passwords and writes users.
 */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type MiniflareCoreError } from "miniflare";
import { unstable_getMiniflareWorkerOptions as readWorkerOptions } from "wrangler";
import { type BundledModule, bundleWorker } from "./bundled-worker.ts";
import { OWN_AGENT, printLine } from "./local-log.ts";
import { removeUnfinished } from "./local-objects.ts";
import { makeFirstUser, prepareState } from "./local-state.ts";
import { portTaken } from "./port.ts";
import { onSignals } from "./signals.ts";
import { makeTemporaryFolder } from "./temporary-folder.ts";
import { CONFIG, type DevServerMessage, type DevServerSettings, OBJECTS, STATE } from "./wrangler.ts";

const { host, port, vars, tls, entry }: DevServerSettings = JSON.parse(process.argv[2] ?? "");

/** There is no cache before a folder, and nobody to send clients to. */
const ON_DISK = { STORE: "disk", EDGE_CACHE: "false", REDIRECT_BLOBS_FROM: "never" };

const startedAt = Date.now();
// It goes with this process: a stack trace looks into its map of the sources.
const folder = await makeTemporaryFolder("berth-worker-");
let server: Miniflare | null = null;
let ending = false;
// A terminal's Ctrl-C comes here and to start.ts, which passes it on.
onSignals(() => void end(0));
// Nobody reads the log any more.
process.on("disconnect", () => end(0));

try {
  server = await serve(await prepare());
  const url = await server.ready;
  // Not before: a start that fails has no password to tell.
  const first = await makeFirstUser(await server.getKVNamespace("USERS")).catch((error: Error) =>
    fail(`The first user could not be made: ${error.message}`),
  );
  await say({ kind: "ready", first });
  // A secret that is wrong is told now, in the log, and not to the first who comes.
  await server
    .dispatchFetch(new URL("/healthz", url).href, { headers: { "User-Agent": OWN_AGENT } })
    .catch(() => {});
  await removeUnfinished(OBJECTS, startedAt);
} catch (error) {
  // Somebody else was faster than this start.
  if ((error as MiniflareCoreError).code === "ERR_ADDRESS_IN_USE") await fail(portTaken(port));
  console.error(error instanceof Error ? error.message : error);
  await end(1);
}

function say(message: DevServerMessage): Promise<void> {
  return new Promise((sent) => process.send?.(message, undefined, undefined, () => sent()));
}

/** Leaves it to start.ts to say why. */
async function fail(message: string): Promise<never> {
  await say({ kind: "failed", message });
  return end(1);
}

/** @throws Error with what wrangler says of the Worker */
async function prepare(): Promise<BundledModule[]> {
  const prepared = prepareState().catch((error: Error) =>
    fail(`The local state could not be prepared: ${error.message}`),
  );
  const [modules] = await Promise.all([bundleWorker(folder.path, entry), prepared]);
  return modules;
}

async function serve(modules: BundledModule[]): Promise<Miniflare> {
  const { workerOptions } = readWorkerOptions(CONFIG);
  const bindings = workerOptions.bindings as Record<string, string>;
  // A folder stands in for the bucket that the registry has on Cloudflare; another store is asked from here too.
  const onDisk = bindings.STORE === "r2" && vars.STORE === undefined;
  return new Miniflare(
    convertV4MiniflareOptions({
      ...workerOptions,
      name: "berth",
      modules,
      modulesRoot: folder.path,
      bindings: { ...bindings, ...(onDisk && ON_DISK), ...vars },
      serviceBindings: { DISK: { disk: { path: OBJECTS, writable: true } } },
      host,
      port,
      ...(tls !== null && {
        https: true,
        httpsKey: await readFile(tls.key, "utf8"),
        httpsCert: await readFile(tls.certificate, "utf8"),
      }),
      // Nothing is asked of the network for request.cf.
      cf: false,
      log: new Log(LogLevel.WARN),
      // The Worker says what is asked of it: to hear of it from miniflare would cost every request a second one.
      logRequests: false,
      handleStructuredLogs: ({ message }) => printLine(message),
      // What starts a collection: docs/collection.md.
      unsafeTriggerHandlers: true,
      resourcePersistencePath: `${STATE}/v3`,
    }),
  );
}

async function end(code: number): Promise<never> {
  if (!ending) {
    ending = true;
    await server?.dispose().catch(() => {});
    process.exit(code);
  }
  return new Promise(() => {});
}
