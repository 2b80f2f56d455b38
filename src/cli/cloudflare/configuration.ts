/** What wrangler.toml says of a deployment. Read by itself: to load wrangler for it takes seconds. */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { parse } from "smol-toml";
import { badInput, describe } from "../failure.ts";
import { assertCheckout, CONFIG } from "../wrangler.ts";

interface Toml {
  name?: string;
  account_id?: string;
  route?: string | { pattern: string };
  routes?: (string | { pattern: string })[];
  kv_namespaces?: { binding: string; id?: string }[];
  d1_databases?: { binding: string; database_id?: string; database_name?: string }[];
}

export interface Configuration {
  /** Of the Worker. */
  name: string;
  /** Null where the login says it. */
  account: string | null;
  /** Patterns of the routes, as they stand there. */
  routes: string[];
  /** The users' namespace; null where wrangler made it, and the Worker's settings say it. */
  namespace: string | null;
  /** The registry's, DB first. `id`: null where wrangler makes it under this name. */
  databases: { binding: string; id: string | null; name: string }[];
}

/** Whether a binding is a database of the registry: as src/storage/placement.ts finds them. */
export function isDatabase(binding: string): boolean {
  return /^DB(_[A-Z0-9_]{1,30})?$/.test(binding);
}

/** @throws Failure */
export async function readConfiguration(): Promise<Configuration> {
  assertCheckout();
  let toml: Toml;
  try {
    toml = parse(await readFile(CONFIG, "utf8")) as Toml;
  } catch (error) {
    throw badInput(`${CONFIG}: ${describe(error)}`);
  }
  const { account_id = null, route, routes = [] } = toml;
  // Workers Builds deploys under the name that the Worker has there, whatever the file says.
  const name = process.env.WRANGLER_CI_OVERRIDE_NAME || (toml.name ?? "berth");
  const users = toml.kv_namespaces?.find(({ binding }) => binding === "USERS");
  const databases = toml.d1_databases?.filter(({ binding }) => isDatabase(binding)) ?? [];
  return {
    name,
    account: account_id,
    routes: [...(route === undefined ? [] : [route]), ...routes].map((each) =>
      typeof each === "string" ? each : each.pattern,
    ),
    namespace: users?.id ?? null,
    databases: databases
      .map(({ binding, database_id: id = null, database_name }) => {
        // The name that wrangler gives where there is none.
        const given = `${toml.name}-${binding.toLowerCase().replaceAll("_", "-")}`;
        return { binding, id, name: database_name ?? given };
      })
      .sort((one, other) => (one.binding < other.binding ? -1 : 1)),
  };
}
