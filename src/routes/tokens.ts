/** Berth's own extension: machine tokens. A user manages his own, an administrator everybody's. */

import { randomBytes } from "node:crypto";
import { Hono } from "hono";
import { expiryOf } from "../auth/machine-access.ts";
import { formatMachineToken, idOf } from "../auth/machine-token.ts";
import { isUserName } from "../auth/user-entry.ts";
import { RegistryError } from "../oci/errors.ts";
import { type Happening, writeHappening } from "../storage/audit.ts";
import { openStores } from "../storage/stores.ts";
import {
  deleteToken,
  findTokens,
  getRevocation,
  listTokens,
  putToken,
  revokeTokens,
} from "../storage/tokens.ts";
import { getUserEntry } from "../storage/users.ts";
import { isLabel, smallBody } from "./admin-request.ts";
import { requirePassword } from "./authorize.ts";
import { actorOf, type Context, type RegistryEnv } from "./context.ts";
import { parseTokenRequest } from "./token-request.ts";

/** What one owner may have: a list is held in memory. */
const MAX_TOKENS = 100;

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
  const { name, access } = wanted;
  await requireRoom(c, owner, name);
  const token = formatMachineToken(randomBytes(32));
  // Not as old as those that were revoked a moment ago.
  const createdAt = Math.max(Date.now(), (await getRevocation(c.env.USERS, owner)) + 1);
  const expiresAt = wanted.lifetime === null ? null : createdAt + wanted.lifetime;
  await note(c, "create-token", `${owner}/${name}`, { id: idOf(token), access, expiresAt });
  await putToken(c.env.USERS, idOf(token), { name, owner, access, createdAt, expiresAt });
  return c.json({ name, owner, token, expiresAt, access }, 201);
});

async function requireRoom(c: Context, owner: string, name: string): Promise<void> {
  const [existing, listed] = await Promise.all([
    findTokens(c.env.USERS, owner, name),
    listTokens(c.env.USERS, owner),
  ]);
  if (existing.length > 0 || listed.some((token) => token.name === name)) {
    throw new RegistryError(
      "DENIED",
      `${owner} has a token ${name}: revoke it first, or choose another name`,
      {
        status: 409,
      },
    );
  }
  if (listed.length < MAX_TOKENS) return;
  throw new RegistryError("DENIED", `${owner} has ${MAX_TOKENS} tokens: revoke some first`, { status: 409 });
}

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
  const ids = isLabel(name) ? await findTokens(c.env.USERS, owner, name) : [];
  if (ids.length === 0) {
    const message = `${owner} has no token of this name; one made elsewhere shows within 90 seconds`;
    throw new RegistryError("NAME_UNKNOWN", message, { detail: { name: name.slice(0, 200) } });
  }
  await note(c, "revoke-token", `${owner}/${name}`, ids.length === 1 ? { id: ids[0] } : { ids });
  for (const id of ids) await deleteToken(c.env.USERS, { id, owner, name });
  return c.body(null, 204);
});

// DELETE /v2/_berth/tokens?owner=<user>
tokens.delete("/v2/_berth/tokens", async (c) => {
  const owner = await ownerOf(c, c.req.query("owner"));
  await note(c, "revoke-tokens", owner, null);
  await revokeTokens(c.env.USERS, owner, Date.now());
  return c.body(null, 204);
});

/** Before the change: no batch can hold both, and no token is to come or go without its event. */
function note(c: Context, action: Happening["action"], reference: string, detail: object | null) {
  return writeHappening(openStores(c.env).db, actorOf(c), { action, outcome: "done", reference, detail });
}

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
