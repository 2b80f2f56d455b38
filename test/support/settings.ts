/** Variables of the Worker, changed for a test. */

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

export function withVariables(env: Env): Env {
  return { ...env, ...base, ...overrides } as Env;
}
