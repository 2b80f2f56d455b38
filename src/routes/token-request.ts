/** What somebody asks a machine token for. */

import type { Access } from "../auth/access.ts";
import { MAX_TOKENS, type Making, makeToken, type TokenStores } from "../auth/token-making.ts";
import { parseGrant } from "../auth/user-entry.ts";
import { RegistryError } from "../oci/errors.ts";
import type { Actor } from "../storage/audit.ts";
import { isLabel, LABEL_FORM, malformed, parseObject } from "./admin-request.ts";

const EXAMPLE = '{"name": "ci", "access": […], "expiresIn": 7776000}';

/** KV takes an expiry no sooner. Seconds. */
const SHORTEST = 60;

/** In all grants together: each is looked at with every request. */
const MAX_PATTERNS = 100;

export interface TokenRequest {
  name: string;
  /** Undefined for the caller himself. */
  owner: string | undefined;
  access: { repositories: string[]; actions: string[] }[];
  /** Null for ever. Milliseconds. */
  lifetime: number | null;
}

/**
 * @param maxLifetime milliseconds; null when tokens may live for ever
 * @throws RegistryError UNSUPPORTED 400, saying what is wrong
 */
export function parseTokenRequest(text: string, maxLifetime: number | null): TokenRequest {
  const { name, owner, access, expiresIn } = parseObject(text, EXAMPLE);
  if (typeof name !== "string" || !isLabel(name)) throw malformed(`name must have ${LABEL_FORM}`);
  if (owner !== undefined && typeof owner !== "string") throw malformed("owner must be a user's name");
  return { name, owner, access: parseAccess(access), lifetime: parseLifetime(expiresIn, maxLifetime) };
}

/**
 * Makes it for `owner`, whose tokens the caller manages.
 * @throws RegistryError DENIED when the caller would give more than he has, and 409 when the owner has one of this
 * name, or too many; Unavailable
 */
export async function makeRequestedToken(
  env: TokenStores,
  caller: { access: Access; actor: Actor },
  owner: string,
  { name, access, lifetime }: TokenRequest,
): Promise<Extract<Making, { kind: "made" }>> {
  if (owner !== caller.access.user && !caller.access.covers(access))
    throw new RegistryError("DENIED", "you may make no token with more rights than you have");
  const making = await makeToken(env, caller.actor, { name, owner, access, lifetime });
  if (making.kind === "made") return making;
  const message =
    making.kind === "name-taken"
      ? `${owner} has a token ${name}: revoke it first, or choose another name`
      : `${owner} has ${MAX_TOKENS} tokens: revoke some first`;
  throw new RegistryError("DENIED", message, { status: 409 });
}

function parseAccess(access: unknown): TokenRequest["access"] {
  const form = `access must be like [{"repositories": ["team/**"], "actions": ["pull", "push"]}], with ${MAX_PATTERNS} repositories at most`;
  if (!Array.isArray(access) || access.length === 0 || access.length > MAX_PATTERNS) throw malformed(form);
  const grants = access.map((each) => {
    const grant = parseGrant(each);
    if (grant === null || grant.repositories.length === 0 || grant.actions.length === 0)
      throw malformed(form);
    return { repositories: grant.repositories.map(({ pattern }) => pattern), actions: grant.actions };
  });
  if (grants.flatMap(({ repositories }) => repositories).length > MAX_PATTERNS) throw malformed(form);
  return grants;
}

function parseLifetime(expiresIn: unknown, max: number | null): number | null {
  const longest = max === null ? "" : `, at most ${max / 1000}`;
  if (expiresIn === null && max === null) return null;
  const seconds = Number.isSafeInteger(expiresIn) ? (expiresIn as number) : 0;
  if (seconds >= SHORTEST && seconds * 1000 <= (max ?? Number.MAX_SAFE_INTEGER / 2)) return seconds * 1000;
  throw malformed(`expiresIn must be a number of seconds from ${SHORTEST}${longest || ", or null for ever"}`);
}
