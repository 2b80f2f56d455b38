/** Variables of the Worker, and its databases, changed for a test. */

import { env } from "cloudflare:workers";
import { migrate } from "./schema.ts";

type Variables = Partial<Record<keyof Env, string>>;

/** Of the store that this run is on: see stores.ts. */
let base: Record<string, string> = {};
/** Counting requests writes rows behind the answers, long after a test: only its own tests have it. */
const ALWAYS: Variables = { METRICS_EVERY: "off" };

let overrides = ALWAYS;

/** Of the store that this run is on. */
export function baseVariables(): Record<string, string> {
  return base;
}

/** Serves all following requests with these variables, whatever else a test sets. */
export function setBaseVariables(variables: Record<string, string>): void {
  databases = ONE;
  base = variables;
}

/** Serves the following requests with these variables; without arguments with those of wrangler.toml again. */
export function setVariables(variables: Variables = {}): void {
  overrides = { ...ALWAYS, ...variables };
}

/** As the run is on its store, whatever a test has set. */
export function withBaseVariables(env: Env): Env {
  return { ...env, ...base } as Env;
}

/**
 * Which database of the tests is which of the registry's. Where there are several, DB stays the one that most
 * repositories lie in, so that a test finds in it what it has pushed.
 */
const ONE = { DB: "DB" } as const;
const THREE = { DB: "MAIN_DB", DB_2: "DB", DB_3: "THIRD_DB" } as const;

/** What lies where in a simulation of several: what no test has beside something else is in the third. */
const PLACES = "*=DB_2 big=DB_3 there=DB_3 elsewhere=DB_3";

let databases: Record<string, "DB" | "MAIN_DB" | "THIRD_DB"> = ONE;

/** Serves all following requests with three databases instead of one. @param places see PLACES */
export async function haveThreeDatabases(places = PLACES): Promise<void> {
  databases = THREE;
  base = { ...base, DATABASES: places };
  await Promise.all([env.MAIN_DB, env.THIRD_DB].map(migrate));
}

/** What the registry calls the database that tests call DB. */
export function databaseName(): string {
  return databases === ONE ? "DB" : "DB_2";
}

export function withVariables(given: Env): Env {
  const { DB, MAIN_DB, THIRD_DB, ...others } = given as typeof env;
  const all = { DB, MAIN_DB, THIRD_DB };
  const bound = Object.entries(databases).map(([name, binding]) => [name, all[binding]]);
  return { ...others, ...Object.fromEntries(bound), ...base, ...overrides } as Env;
}
