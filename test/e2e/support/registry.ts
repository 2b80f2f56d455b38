/** The registry under test: the real `npm start`, with its state in a folder of its own. */

import { mkdtempSync } from "node:fs";
import { join, resolve } from "node:path";
import { PASSWORD, send } from "./login.ts";
import { freePort } from "./ports.ts";
import { Service } from "./service.ts";

export const ROOT = resolve(import.meta.dirname, "../../..");

export interface Registry {
  /** Where clients find it, as it stands in an image's name. */
  host: string;
  port: number;
  /** The folder that a restart goes on from. */
  state: string;
  service: Service;
}

/**
 * @param at the port and state of a registry that ran before
 * @param variables settings, like "GRACE_PERIOD:1s"
 * @param environment of `npm start`, besides
 */
export async function startRegistry(
  workspace: string,
  at?: Pick<Registry, "port" | "state">,
  variables: string[] = [],
  environment: Record<string, string> = {},
): Promise<Registry> {
  const port = at?.port ?? (await freePort());
  const state = at?.state ?? mkdtempSync(join(workspace, "registry-"));
  const host = `127.0.0.1:${port}`;
  const settings = variables.flatMap((variable) => ["--var", variable]);
  const service = new Service(
    "npm",
    ["start", "--", ...settings],
    join(mkdtempSync(join(workspace, "log-")), "registry.log"),
    {
      cwd: ROOT,
      env: { PORT: String(port), BERTH_STATE: state, BERTH_ADMIN_PASSWORD: PASSWORD, ...environment },
    },
  );
  // The greeting is the last thing that happens by itself.
  await service.ready(
    async () => service.log.includes(`docker push ${host}/`) && (await send(`http://${host}/v2/`)).ok,
  );
  return { host, port, state, service };
}

/** The lines of a registry's log that nothing a client does may cause. */
export function faultsIn(log: string): string[] {
  return log.split("\n").filter((line) => FAULTS.some((fault) => fault.test(line)));
}

const FAULTS = [
  // The line that closes a request: `PUT /v2/… 500 Internal Server Error (12ms)`.
  /\s500 Internal Server Error/,
  /unexpected-error|uncaught|unhandled/i,
  /\[ERROR\]|\bError:/,
  // A line of a stack trace.
  /^\s+at \S+/,
];
