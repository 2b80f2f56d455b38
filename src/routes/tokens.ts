/** Berth's own extension: machine tokens. A user manages his own, an administrator everybody's. */

import { Hono } from "hono";
import { expiryOf } from "../auth/machine-access.ts";
import { revokeAllTokens, revokeToken } from "../auth/token-making.ts";
import { isUserName } from "../auth/user-entry.ts";
import { RegistryError } from "../oci/errors.ts";
import { listTokens } from "../storage/tokens.ts";
import { getUserEntry } from "../storage/users.ts";
import { isLabel, smallBody } from "./admin-request.ts";
import { requirePassword } from "./authorize.ts";
import { actorOf, type Context, type RegistryEnv } from "./context.ts";
import { makeRequestedToken, parseTokenRequest } from "./token-request.ts";

export const tokens = new Hono<RegistryEnv>();

tokens.use("/v2/_berth/tokens/*", async (c, next) => {
  requirePassword(c);
  await next();
  c.header("Cache-Control", "no-store");
});

// POST /v2/_berth/tokens
tokens.post("/v2/_berth/tokens", smallBody, async (c) => {
  const maxLifetime = c.get("settings").maxTokenLifetime;
  const wanted = parseTokenRequest(await c.req.text(), maxLifetime);
  const owner = await ownerOf(c, wanted.owner);
  const caller = { access: c.get("access"), actor: actorOf(c) };
  const { token, stored } = await makeRequestedToken(c.env, caller, owner, wanted);
  const { name, access, expiresAt } = stored;
  return c.json({ name, owner, token, expiresAt, access }, 201);
});

// GET /v2/_berth/tokens?owner=<user>
tokens.get("/v2/_berth/tokens", async (c) => {
  const owner = await ownerOf(c, c.req.query("owner"));
  const listed = await listTokens(c.env.USERS, owner);
  const maxLifetime = c.get("settings").maxTokenLifetime;
  return c.json({
    tokens: listed.map((token) => {
      const { name, access, createdAt, lastUsedAt } = token;
      return { name, owner, access, createdAt, expiresAt: expiryOf(token, maxLifetime), lastUsedAt };
    }),
  });
});

// DELETE /v2/_berth/tokens/<name>?owner=<user>
tokens.delete("/v2/_berth/tokens/:token", async (c) => {
  const owner = await ownerOf(c, c.req.query("owner"));
  const name = c.req.param("token");
  if (!isLabel(name) || !(await revokeToken(c.env, actorOf(c), owner, name))) {
    const message = `${owner} has no token of this name; one made elsewhere shows within 90 seconds`;
    throw new RegistryError("NAME_UNKNOWN", message, { detail: { name: name.slice(0, 200) } });
  }
  return c.body(null, 204);
});

// DELETE /v2/_berth/tokens?owner=<user>
tokens.delete("/v2/_berth/tokens", async (c) => {
  const owner = await ownerOf(c, c.req.query("owner"));
  await revokeAllTokens(c.env, actorOf(c), owner);
  return c.body(null, 204);
});

/**
 * Whose tokens the request is about: the caller's own unless it says otherwise.
 * @throws RegistryError DENIED for somebody else's, NAME_UNKNOWN to an administrator for those of nobody
 */
async function ownerOf(c: Context, asked: string | undefined): Promise<string> {
  const { user, admin } = c.get("access");
  if (user !== null && (asked === undefined || asked === user)) return user;
  if (!admin) throw new RegistryError("DENIED", `${user} is no administrator: manage your own tokens`);
  if (asked !== undefined && isUserName(asked) && (await getUserEntry(c.env.USERS, asked)) !== null)
    return asked;
  throw new RegistryError("NAME_UNKNOWN", "there is no such user", {
    detail: { owner: asked?.slice(0, 200) },
  });
}
