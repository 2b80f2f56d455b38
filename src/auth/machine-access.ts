/** What a machine token opens: looked up with every request, and never remembered. */

import type { Settings } from "../config.ts";
import { log } from "../log.ts";
import { getRevocation, getToken, getUse, putUse, type StoredToken } from "../storage/tokens.ts";
import { getUserEntry } from "../storage/users.ts";
import { Access } from "./access.ts";
import { remember } from "./remember.ts";
import { type Grant, parseGrant, parseUserEntry } from "./user-entry.ts";

/** How often the use of one token is noted. Milliseconds. */
const NOTED_EVERY = 3_600_000;

/** How many tokens this isolate remembers to have noted. */
const MAX_REMEMBERED = 2000;

const noted = new Map<string, number>();

/**
 * @param owner the user name that came with the token
 * @returns null when the token opens nothing: unknown, revoked, expired, another's, or its owner is gone
 */
export async function findMachineAccess(
  { env, settings }: { env: Env; settings: Settings },
  { owner, id }: { owner: string; id: string },
  now: number,
): Promise<Access | null> {
  const [token, text, revoked] = await Promise.all([
    getToken(env.USERS, id),
    getUserEntry(env.USERS, owner),
    getRevocation(env.USERS, owner),
  ]);
  if (token === null || token.owner !== owner || text === null || token.createdAt <= revoked) return null;
  const grants = token.access.map(parseGrant).filter((grant): grant is Grant => grant !== null);
  const entry = parseUserEntry(text);
  if (entry === null || grants.length < token.access.length) {
    log("malformed-token-or-owner", { owner, token: token.name }, "error");
    return null;
  }
  const expiresAt = expiryOf(token, settings.maxTokenLifetime);
  if (expiresAt !== null && expiresAt <= now) return null;
  const opened = { id, name: token.name, grants, expiresAt };
  return Access.ofMachine(opened, { name: owner, entry }, settings.publicRepositories);
}

/** A lifetime that was shortened since counts for older tokens too. Null for never. */
export function expiryOf(
  { createdAt, expiresAt }: Pick<StoredToken, "createdAt" | "expiresAt">,
  maxLifetime: number | null,
): number | null {
  if (maxLifetime === null) return expiresAt;
  return Math.min(createdAt + maxLifetime, expiresAt ?? Number.POSITIVE_INFINITY);
}

/** To be done after the answer. */
export async function noteUse(users: KVNamespace, id: string, now: number): Promise<void> {
  if (now - (noted.get(id) ?? 0) < NOTED_EVERY) return;
  remember(noted, id, now, MAX_REMEMBERED);
  try {
    if (now - ((await getUse(users, id)) ?? 0) >= NOTED_EVERY) await putUse(users, id, now);
  } catch (error) {
    log("token-use-not-noted", { error }, "warn");
  }
}

/** Forgets which uses were noted. For tests. */
export function forgetUses(): void {
  noted.clear();
}
