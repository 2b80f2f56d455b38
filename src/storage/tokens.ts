/**
 * Machine tokens, in the users' KV namespace, under keys with a slash, which no user's name has:
 *
 *   token/<SHA-256 of the token>   what it is: see StoredToken
 *   owner/<user>/<name>            finds an owner's token by its name; the id is its metadata
 *   owner/<user>/<name>/<id>       the same, for lists: of two that were made at once under one name it has both
 *   revoked/<user>                 when all tokens of a user were revoked: those made until then are dead
 *   used/<id>                      when it was last used; by itself, so that noting a use cannot bring a token back
 *
 * Times are milliseconds since the epoch. A change is seen everywhere within 90 seconds: `CACHED` and KV's own 60.
 */

/** KV's shortest. Seconds. */
const CACHED = 30;

/** An expired token is listed for another day. Seconds. */
const KEPT_AFTER_EXPIRY = 86_400;

/** How long a use is remembered. Seconds. */
const USE_KEPT = 400 * 86_400;

/** What KV reads at once. */
const BULK = 100;

export interface StoredToken {
  name: string;
  owner: string;
  access: { repositories: string[]; actions: string[] }[];
  createdAt: number;
  /** Null for never. */
  expiresAt: number | null;
}

export interface ListedToken extends StoredToken {
  id: string;
  lastUsedAt: number | null;
}

/** Null when there is none. */
export function getToken(users: KVNamespace, id: string): Promise<StoredToken | null> {
  return users.get<StoredToken>(`token/${id}`, { type: "json", cacheTtl: CACHED });
}

/** Tokens of this owner that were made until then are dead. 0 when all were never revoked. */
export async function getRevocation(users: KVNamespace, owner: string): Promise<number> {
  return Number(await users.get(`revoked/${owner}`, { cacheTtl: CACHED })) || 0;
}

/** The ids of an owner's tokens of this name: one, unless several were made at once. Those of lists lag behind. */
export async function findTokens(users: KVNamespace, owner: string, name: string): Promise<string[]> {
  const [found, listed] = await Promise.all([
    users.getWithMetadata<{ id: string }>(`owner/${owner}/${name}`, { cacheTtl: CACHED }),
    listIds(users, `owner/${owner}/${name}/`),
  ]);
  return [...new Set([...(found.metadata === null ? [] : [found.metadata.id]), ...listed.keys()])];
}

/** The index first: a token that nobody can find could not be revoked. */
export async function putToken(users: KVNamespace, id: string, token: StoredToken): Promise<void> {
  const { owner, name, expiresAt } = token;
  const end = expiresAt === null ? {} : { expiration: Math.ceil(expiresAt / 1000) + KEPT_AFTER_EXPIRY };
  await users.put(`owner/${owner}/${name}/${id}`, "", { ...end, metadata: { id } });
  await users.put(`owner/${owner}/${name}`, "", { ...end, metadata: { id } });
  await users.put(`token/${id}`, JSON.stringify(token), end);
}

/** The index last, so that what was interrupted can be repeated. */
export async function deleteToken(
  users: KVNamespace,
  { id, owner, name }: { id: string; owner: string; name: string },
): Promise<void> {
  await users.delete(`token/${id}`);
  await users.delete(`used/${id}`);
  await users.delete(`owner/${owner}/${name}`);
  await users.delete(`owner/${owner}/${name}/${id}`);
}

/** Tokens of this owner that were made until now are dead from now on, also those of another one of that name later. */
export function markRevoked(users: KVNamespace, owner: string, now: number): Promise<void> {
  return users.put(`revoked/${owner}`, String(now));
}

/** All tokens of an owner, also those that KV's lists do not show yet. */
export async function revokeTokens(users: KVNamespace, owner: string, now: number): Promise<void> {
  await markRevoked(users, owner, now);
  for (const [id, name] of await listIds(users, `owner/${owner}/`))
    await deleteToken(users, { id, owner, name });
}

/** By name. */
export async function listTokens(users: KVNamespace, owner: string): Promise<ListedToken[]> {
  const [revoked, listed] = await Promise.all([
    getRevocation(users, owner),
    listIds(users, `owner/${owner}/`),
  ]);
  const all = [...listed.keys()];
  const tokens: ListedToken[] = [];
  for (let start = 0; start < all.length; start += BULK) {
    const ids = all.slice(start, start + BULK);
    const [stored, used] = await Promise.all([
      users.get<StoredToken>(keys("token", ids), "json"),
      users.get(keys("used", ids)),
    ]);
    for (const id of ids) {
      const token = stored.get(`token/${id}`);
      if (token == null || token.createdAt <= revoked) continue;
      tokens.push({ ...token, id, lastUsedAt: Number(used.get(`used/${id}`)) || null });
    }
  }
  return tokens;
}

/** When a token was last used; null when that was never noted. */
export async function getUse(users: KVNamespace, id: string): Promise<number | null> {
  return Number(await users.get(`used/${id}`)) || null;
}

export function putUse(users: KVNamespace, id: string, now: number): Promise<void> {
  return users.put(`used/${id}`, String(now), { expirationTtl: USE_KEPT });
}

function keys(kind: "token" | "used", ids: string[]): string[] {
  return ids.map((id) => `${kind}/${id}`);
}

/** @returns id → name, of all keys of the index that begin with `prefix` */
async function listIds(users: KVNamespace, prefix: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let cursor: string | null = null; ; ) {
    const page: KVNamespaceListResult<{ id: string }> = await users.list({ prefix, cursor });
    for (const { name: key, metadata } of page.keys)
      if (metadata !== undefined) found.set(metadata.id, key.split("/")[2] ?? "");
    if (page.list_complete) return found;
    cursor = page.cursor;
  }
}
