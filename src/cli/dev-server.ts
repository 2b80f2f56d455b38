/**
 * The registry in workerd, as `npm start` runs it: a process of its own, so that what wrangler prints can be read
 * and left out. `wrangler dev` is the same, but leaves workerd's inspector open on some port: through that any
 * program of this machine reads passwords and writes users.
 */

import process from "node:process";
import { unstable_readConfig as readConfig, unstable_startWorker as startWorker } from "wrangler";
import { diskBinding } from "./disk-plugin.ts";
import { prepareState } from "./local-state.ts";
import {
  CONFIG,
  type DevServerMessage,
  type DevServerSettings,
  type FirstUser,
  OBJECTS,
  STATE,
} from "./wrangler.ts";

const { host, port, vars, tls, entry }: DevServerSettings = JSON.parse(process.argv[2] ?? "");

const first = await prepare();

const server = startWorker({
  config: CONFIG,
  ...(entry !== undefined && { entrypoint: entry }),
  bindings: {
    ...Object.fromEntries(
      Object.entries({ ...ownStore(), ...vars }).map(
        ([name, value]) => [name, { type: "plain_text", value }] as const,
      ),
    ),
    DISK: diskBinding(OBJECTS),
  },
  dev: {
    remote: false,
    inspector: false,
    server: {
      hostname: host,
      port,
      secure: tls !== null,
      ...(tls !== null && { httpsKeyPath: tls.key, httpsCertPath: tls.certificate }),
    },
    // A custom domain among the routes would stand in for the host that clients ask.
    inferOriginFromRoutes: false,
    persist: STATE,
  },
});

let ending = false;
// Nobody reads the log any more.
process.on("disconnect", () => end(0));

try {
  const worker = await server;
  await worker.ready;
  // wrangler's own listeners exit in the middle of what is under way.
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.removeAllListeners(signal).on(signal, () => end(0));
  }
  await say({ kind: "ready", first });
  // A secret that is wrong is told now, in the log, and not to the first who comes.
  await worker.fetch(new URL("/healthz", await worker.url).href).catch(() => {});
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await end(1);
}

/** A folder stands in for the bucket that the registry has on Cloudflare; where it has another store, that is asked here too. */
function ownStore(): Record<string, string> {
  return readConfig({ config: CONFIG }).vars.STORE === "r2" ? { STORE: "disk" } : {};
}

function say(message: DevServerMessage): Promise<void> {
  return new Promise((sent) => process.send?.(message, undefined, undefined, () => sent()));
}

async function prepare(): Promise<FirstUser | null> {
  try {
    return await prepareState();
  } catch (error) {
    await say({ kind: "unprepared", message: (error as Error).message });
    process.exit(1);
  }
}

async function end(code: number): Promise<void> {
  // A terminal's Ctrl-C comes here and to start.ts, which passes it on.
  if (ending) return;
  ending = true;
  await server.then((worker) => worker.dispose()).catch(() => {});
  process.exit(code);
}
