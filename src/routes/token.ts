/** Where tokens come from: Docker's token specification, and its OAuth2 form for the password grant. */

import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Access, Scope } from "../auth/access.ts";
import { logIn } from "../auth/authenticate.ts";
import { TOKEN_PATH, unauthorized, usesTokens } from "../auth/challenge.ts";
import { fingerprint, issueToken, TOKEN_LIFETIME } from "../auth/tokens.ts";
import { ACTIONS, type Action } from "../auth/user-entry.ts";
import { RegistryError } from "../oci/errors.ts";
import { parseRepositoryName } from "../oci/reference.ts";
import { type Context, callerOf, type RegistryEnv } from "./context.ts";

/** Docker's scope for the catalog, of which everybody sees what they may pull. */
const CATALOG = "registry:catalog:*";

const MAX_FORM = 64 * 1024;
const MAX_SCOPES = 100;

export const token = new Hono<RegistryEnv>();

token.use(TOKEN_PATH, async (c, next) => {
  if (usesTokens(c.get("settings"))) return next();
  throw new RegistryError("UNSUPPORTED", "this registry takes passwords, and hands out no tokens", {
    status: 404,
  });
});

// GET /v2/token?service=&scope=&scope=; account, client_id and offline_token change nothing
token.get(TOKEN_PATH, (c) => {
  const access = c.get("access");
  // Or a token would renew itself for ever.
  if (access.byToken) {
    throw unauthorized("a token does not get another: send the password", {
      ...{ settings: c.get("settings"), url: c.req.url, scope: null, error: null },
    });
  }
  return answer(c, access, c.req.queries("scope") ?? []);
});

// POST /v2/token with grant_type=password
token.post(
  TOKEN_PATH,
  bodyLimit({
    maxSize: MAX_FORM,
    onError: () => {
      throw new RegistryError("UNSUPPORTED", "the form is too large", { status: 413 });
    },
  }),
  async (c) => {
    const form = new URLSearchParams(await c.req.text());
    if (form.get("grant_type") !== "password") {
      throw new RegistryError("UNSUPPORTED", "only grant_type=password is supported", { status: 400 });
    }
    const access = await logIn(
      callerOf(c),
      form.get("username") ?? "",
      form.get("password") ?? "",
      Date.now(),
    );
    return answer(c, access, form.getAll("scope"));
  },
);

/** A refresh token is never among it: docker would keep that in place of the password. */
async function answer(c: Context, access: Access, requested: string[]): Promise<Response> {
  const now = Date.now();
  const wanted = splitScopes(requested);
  const scopes = grantedOf(access, wanted);
  const catalog = wanted.includes(CATALOG);
  const entry = access.entry === null ? null : fingerprint(access.entry);
  const signed = await issueToken(c.env, { user: access.user, entry, carried: { scopes, catalog } }, now);
  return c.json(
    {
      token: signed,
      access_token: signed,
      token_type: "Bearer",
      expires_in: TOKEN_LIFETIME,
      issued_at: new Date(now).toISOString(),
      scope: [
        ...scopes.map(({ name, actions }) => `repository:${name}:${actions.join(",")}`),
        ...(catalog ? [CATALOG] : []),
      ].join(" "),
    },
    200,
    { "Cache-Control": "no-store" },
  );
}

/** One parameter may hold several. */
function splitScopes(requested: string[]): string[] {
  const wanted = requested.flatMap((scope) => scope.split(" ")).filter((scope) => scope !== "");
  if (wanted.length > MAX_SCOPES) {
    throw new RegistryError("UNSUPPORTED", `one token takes at most ${MAX_SCOPES} scopes`, { status: 400 });
  }
  return wanted;
}

/** Of what was asked for, what the caller has. */
function grantedOf(access: Access, wanted: string[]): Scope[] {
  return wanted
    .map(parseScope)
    .filter((scope) => scope !== null)
    .map(({ name, actions }) => ({ name, actions: actions.filter((action) => access.may(action, name)) }))
    .filter(({ actions }) => actions.length > 0);
}

/** `repository:<name>:<action>,<action>`. Null for another type: what it means is not known, so nothing is granted. */
function parseScope(text: string): Scope | null {
  const match = /^repository(?:\([a-z]+\))?:(.*):([a-z*,]*)$/.exec(text);
  if (match === null) return null;
  const [, name = "", list = ""] = match;
  const asked = list.split(",");
  const actions: Action[] = asked.includes("*")
    ? [...ACTIONS]
    : ACTIONS.filter((action) => asked.includes(action));
  return { name: parseRepositoryName(name), actions };
}
