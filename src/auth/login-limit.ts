/**
 * Limits failed logins, by address and by user name. Cloudflare's binding counts per location and cannot be asked
 * without counting, so only failures are counted; each isolate counts them itself as well, at once.
 */

import { log } from "../log.ts";

/** As in wrangler.toml. */
const LIMIT = 10;

/** As in wrangler.toml. Milliseconds. */
const PERIOD = 60_000;

/** What is remembered at most. */
const MAX_REMEMBERED = 5000;

const failures = new Map<string, { count: number; until: number }>();

/** Whether a password may not even be tried now. */
export function isBlocked(address: string, user: string, now: number): boolean {
  return keysOf(address, user).some((key) => countOf(key, now) >= LIMIT);
}

/** Counts a failed login. @returns whether it was one too many */
export async function countFailure(
  limiter: RateLimit,
  address: string,
  user: string,
  now: number,
): Promise<boolean> {
  const keys = keysOf(address, user);
  // Before anything is waited for: a burst must not get past.
  for (const key of keys) note(key, countOf(key, now) + 1, now);
  for (const key of keys) {
    if (!(await mayFail(limiter, key))) note(key, LIMIT + 1, now);
  }
  return keys.some((key) => countOf(key, now) > LIMIT);
}

/** Forgets all failures. For tests. */
export function forgetFailures(): void {
  failures.clear();
}

/** Asks the binding. When it fails, this isolate's own count stands. */
async function mayFail(limiter: RateLimit, key: string): Promise<boolean> {
  try {
    return (await limiter.limit({ key })).success;
  } catch (error) {
    log("login-limiter-failed", { error }, "error");
    return true;
  }
}

function countOf(key: string, now: number): number {
  const entry = failures.get(key);
  return entry !== undefined && entry.until > now ? entry.count : 0;
}

function note(key: string, count: number, now: number): void {
  const until = countOf(key, now) === 0 ? now + PERIOD : (failures.get(key)?.until ?? now + PERIOD);
  failures.delete(key);
  failures.set(key, { count, until });
  for (const oldest of failures.keys()) {
    if (failures.size <= MAX_REMEMBERED) break;
    failures.delete(oldest);
  }
}

function keysOf(address: string, user: string): string[] {
  return [`address ${networkOf(address)}`, `user ${user}`];
}

/** Whoever has an IPv6 address has all of its /64. */
function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("::");
  const left = head.split(":").filter(Boolean);
  const right = tail.split(":").filter(Boolean);
  const zeros = Array<string>(Math.max(8 - left.length - right.length, 0)).fill("0");
  return [...left, ...(address.includes("::") ? zeros : []), ...right].slice(0, 4).join(":");
}
