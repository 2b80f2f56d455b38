/** What somebody asks a machine token for. */

import { parseGrant } from "../auth/user-entry.ts";
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
