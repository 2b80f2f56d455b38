/** Quotas: how many bytes repositories may hold together. What a request may say of one, and pure. */

import { parseGlob } from "./globs.ts";

/** Which repositories: those whose names match a glob, or those that a user's push has made. */
export type QuotaScope = { repositories: string } | { owner: string };

export type Quota = QuotaScope & {
  /** Bytes. */
  allowed: number;
};

/** A glob as SQLite evaluates it. */
export interface SplitGlob {
  /** What a name begins with. */
  prefix: string;
  /** A pattern of SQLite's GLOB for the rest of it. Its `*` matches slashes too. */
  glob: string;
  /** How many slashes the whole name has; null for any number. */
  slashes: number | null;
}

/** D1 takes no longer pattern. Bytes. */
const MAX_GLOB = 50;

/** Longer names are of nobody. Characters. */
const MAX_OWNER = 255;

/** A petabyte. Sums stay exact numbers. Bytes. */
const MAX_ALLOWED = 1e15;

/** @returns a string when it is no quota: what one must be */
export function parseQuota(json: Record<string, unknown>): Quota | string {
  const { repositories, owner, allowed, ...others } = json;
  const [other] = Object.keys(others);
  if (other !== undefined) return `a quota has no ${other.slice(0, 50)}`;
  if ((repositories === undefined) === (owner === undefined))
    return "a quota is of repositories, or of an owner";
  if (!Number.isInteger(allowed) || (allowed as number) < 0 || (allowed as number) > MAX_ALLOWED)
    return "allowed must be a whole number of bytes, 10^15 at most";
  if (owner !== undefined) {
    return isOwner(owner) ? { owner, allowed: allowed as number } : "owner must be a user's name";
  }
  if (typeof repositories !== "string") return 'repositories must be a glob, like "team/**"';
  const split = splitGlob(repositories);
  return typeof split === "string" ? split : { repositories, allowed: allowed as number };
}

/** Also of who signed in elsewhere, whose names are anything. */
function isOwner(json: unknown): json is string {
  return typeof json === "string" && /^[^\p{Cc}]+$/u.test(json) && json.length <= MAX_OWNER;
}

/** @returns a string when the database cannot evaluate it: what it must be */
export function splitGlob(pattern: string): SplitGlob | string {
  if (parseGlob(pattern) === null) return 'repositories must be a glob, like "team/**"';
  const [prefix = ""] = pattern.split("*", 1);
  const rest = pattern.slice(prefix.length);
  const across = rest.includes("**");
  // SQLite's * goes across slashes, so that only their number can hold it to one segment.
  if (across && /(^|[^*])\*([^*]|$)/.test(rest)) return "repositories must have either * or **, not both";
  const glob = rest.replaceAll("**", "*");
  if (glob.length > MAX_GLOB)
    return `repositories must have at most ${MAX_GLOB} characters from its first * on`;
  return { prefix, glob, slashes: across ? null : pattern.split("/").length - 1 };
}
