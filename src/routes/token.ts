/** Where tokens come from: Docker's token specification, and its OAuth2 form. */

import { Hono } from "hono";
import type { Access } from "../auth/access.ts";
import { acceptPassword, exchangeIdToken } from "../auth/authenticate.ts";
import { TOKEN_PATH, unauthorized, usesTokens } from "../auth/challenge.ts";
import { formatScopes, parseScopes, type Scopes } from "../auth/scopes.ts";
import { issueToken, TOKEN_LIFETIME } from "../auth/tokens.ts";
import { RegistryError } from "../oci/errors.ts";
import { type Context, callerOf, type RegistryEnv } from "./context.ts";
import { limitedBody } from "./limited-body.ts";

const MAX_FORM = 64 * 1024;

/** RFC 8693. */
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const TOKEN_TYPE = "urn:ietf:params:oauth:token-type:";

export const token = new Hono<RegistryEnv>();

token.use(TOKEN_PATH, async (c, next) => {
  const settings = c.get("settings");
  // What is given for a foreign token is good everywhere, as a password too.
  if (usesTokens(settings) || (settings.oidc !== null && c.req.method === "POST")) return next();
  throw new RegistryError("UNSUPPORTED", "this registry takes passwords, and hands out no tokens", {
    status: 404,
  });
});

// GET /v2/token?service=&scope=&scope=; account, client_id and offline_token change nothing
token.get(TOKEN_PATH, (c) => {
  const access = c.get("access");
  // Or a token would renew itself for ever. One for a foreign token stands for a password, and passes on its end.
  if (access.byToken && access.subject.kind !== "oidc") {
    throw unauthorized("a token does not get another: send the password", {
      ...{ settings: c.get("settings"), url: c.req.url, scope: null, error: null },
    });
  }
  return answer(c, access, grantedOf(access, parseScopes(c.req.queries("scope") ?? [])));
});

// POST /v2/token with grant_type=password, or RFC 8693's token exchange
token.post(
  TOKEN_PATH,
  limitedBody(MAX_FORM, () => new RegistryError("UNSUPPORTED", "the form is too large", { status: 413 })),
  async (c) => {
    const form = new URLSearchParams(new TextDecoder().decode(await c.req.arrayBuffer()));
    const grantType = form.get("grant_type");
    if (grantType === EXCHANGE) return exchange(c, form);
    if (grantType !== "password") {
      throw unsupported(`only grant_type=password and ${EXCHANGE} are supported`);
    }
    const [user, password] = [form.get("username") ?? "", form.get("password") ?? ""];
    const access = await acceptPassword(callerOf(c), user, password, Date.now());
    return answer(c, access, grantedOf(access, parseScopes(form.getAll("scope"))));
  },
);

/** Without a scope the token carries all that the rules give: it is to be used as a password. */
async function exchange(c: Context, form: URLSearchParams): Promise<Response> {
  if (![`${TOKEN_TYPE}id_token`, `${TOKEN_TYPE}jwt`].includes(form.get("subject_token_type") ?? ""))
    throw unsupported(`subject_token_type must be ${TOKEN_TYPE}id_token or ${TOKEN_TYPE}jwt`);
  const wanted = form.get("requested_token_type") ?? `${TOKEN_TYPE}access_token`;
  if (wanted !== `${TOKEN_TYPE}access_token`)
    throw unsupported(`requested_token_type must be ${TOKEN_TYPE}access_token, or absent`);
  const access = await exchangeIdToken(callerOf(c), form.get("subject_token") ?? "", Date.now());
  const scopes = form.getAll("scope");
  const carried = scopes.join("") === "" ? null : grantedOf(access, parseScopes(scopes));
  return answer(c, access, carried, { issued_token_type: `${TOKEN_TYPE}access_token` });
}

function unsupported(message: string): RegistryError {
  return new RegistryError("UNSUPPORTED", message, { status: 400 });
}

/**
 * A refresh token is never among it: docker would keep that in place of the password.
 * @param carried null for all that the caller may do
 */
async function answer(
  c: Context,
  access: Access,
  carried: Scopes | null,
  more: Record<string, string> = {},
): Promise<Response> {
  const now = Date.now();
  const { oidc } = c.get("settings");
  const lifetime = access.subject.kind === "oidc" && oidc !== null ? oidc.tokenLifetime : TOKEN_LIFETIME;
  // Never longer than what it was given for.
  const expiresAt = Math.min(now + lifetime, access.expiresAt ?? Number.POSITIVE_INFINITY);
  const signed = await issueToken(c.env, { subject: access.subject, carried, expiresAt }, now);
  const scope = carried === null ? {} : { scope: formatScopes(carried) };
  return c.json(
    {
      token: signed,
      access_token: signed,
      token_type: "Bearer",
      expires_in: Math.floor((expiresAt - now) / 1000),
      issued_at: new Date(now).toISOString(),
      ...scope,
      ...more,
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
  return { repositories: granted, catalog: catalog && (access.mayList || !access.byToken) };
}
