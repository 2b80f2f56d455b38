/** Variables of the Worker, changed for a test. */

type Variables = Partial<Record<keyof Env, string>>;

let overrides: Variables = {};

/** Serves the following requests with these variables; without arguments with those of wrangler.toml again. */
export function setVariables(variables: Variables = {}): void {
  overrides = variables;
}

export function withVariables(env: Env): Env {
  return { ...env, ...overrides } as Env;
}
