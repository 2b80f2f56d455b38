/** Where tokens come from: Docker's token specification, and its OAuth2 form for the password grant. */

import { Hono } from "hono";
import type { Access } from "../auth/access.ts";
import { acceptPassword } from "../auth/authenticate.ts";
import { TOKEN_PATH, unauthorized, usesTokens } from "../auth/challenge.ts";
import { formatScopes, parseScopes, type Scopes } from "../auth/scopes.ts";
import { issueToken, TOKEN_LIFETIME } from "../auth/tokens.ts";
import { RegistryError } from "../oci/errors.ts";
import { type Context, callerOf, type RegistryEnv } from "./context.ts";
import { limitedBody } from "./limited-body.ts";

const MAX_FORM = 64 * 1024;

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
  limitedBody(MAX_FORM, () => new RegistryError("UNSUPPORTED", "the form is too large", { status: 413 })),
  async (c) => {
    const form = new URLSearchParams(await c.req.text());
    if (form.get("grant_type") !== "password") {
      throw new RegistryError("UNSUPPORTED", "only grant_type=password is supported", { status: 400 });
    }
    const access = await acceptPassword(
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
  const carried = grantedOf(access, parseScopes(requested));
  // Never longer than what it was given for.
  const expiresAt = Math.min(now + TOKEN_LIFETIME, access.expiresAt ?? Number.POSITIVE_INFINITY);
  const signed = await issueToken(c.env, { subject: access.subject, carried, expiresAt }, now);
  return c.json(
    {
      token: signed,
      access_token: signed,
      token_type: "Bearer",
      expires_in: Math.floor((expiresAt - now) / 1000),
      issued_at: new Date(now).toISOString(),
      scope: formatScopes(carried),
    },
    200,
    { "Cache-Control": "no-store" },
  );
}

/** Of what was asked for, what the caller has. */
function grantedOf(access: Access, { repositories, catalog }: Scopes): Scopes {
  const granted = repositories
    .map(({ name, actions }) => ({ name, actions: actions.filter((action) => access.may(action, name)) }))
    .filter(({ actions }) => actions.length > 0);
  return { repositories: granted, catalog };
}
