/**
 * Limits failed logins: by address, by network, and by address and user together. A user's name alone never refuses
 * anybody, or a stranger could lock its owner out; it slows every try down instead.
 *
 * Cloudflare's bindings count per location and cannot be asked without counting, so only failures are counted; each
 * isolate counts them itself as well, at once.
 */

import { createHash } from "node:crypto";
import { log } from "../log.ts";
import { networksOf } from "./networks.ts";
import { remember } from "./remember.ts";

/** As in wrangler.toml. Milliseconds. */
const PERIOD = 60_000;

/** What is remembered at most. */
const MAX_REMEMBERED = 5000;

/** After so many failures of a user's name in a minute, each further try waits. */
const UNSLOWED = 10;

/** How long. Short enough for whoever knows the password, and long for whoever guesses. Milliseconds. */
const DELAY = 2000;

/** What is counted together, and how many failures a minute it may have: as in wrangler.toml. */
interface Counted {
  key: string;
  limit: number;
  limiter: keyof Limiters;
}

export interface Limiters {
  LOGIN_LIMITER: RateLimit;
  ADDRESS_LIMITER: RateLimit;
  NETWORK_LIMITER: RateLimit;
}

const failures = new Map<string, { count: number; until: number }>();

/** How many tries have been made to wait in this isolate. */
export let slowed = 0;

/** Whether a password may not even be tried now. */
export function isBlocked(address: string, user: string, now: number): boolean {
  return countedOf(address, user).some(({ key, limit }) => countOf(key, now) >= limit);
}

/** Waits when the user's name has had many failures lately, from wherever. */
export async function slowDown(user: string, now: number): Promise<void> {
  if (countOf(keyOf("user", user), now) < UNSLOWED) return;
  slowed++;
  await scheduler.wait(DELAY);
}

/** Counts a failed login. @returns whether it was one too many */
export async function countFailure(
  limiters: Limiters,
  address: string,
  user: string,
  now: number,
): Promise<boolean> {
  const counted = countedOf(address, user);
  // Before anything is waited for: a burst must not get past.
  for (const { key } of counted) note(key, countOf(key, now) + 1, now);
  const name = keyOf("user", user);
  note(name, countOf(name, now) + 1, now);
  for (const { key, limit, limiter } of counted) {
    if (!(await mayFail(limiters[limiter], key))) note(key, limit + 1, now);
  }
  return counted.some(({ key, limit }) => countOf(key, now) > limit);
}

/** Forgets all failures. For tests. */
export function forgetFailures(): void {
  failures.clear();
  slowed = 0;
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
  remember(failures, key, { count, until }, MAX_REMEMBERED);
}

function countedOf(address: string, user: string): Counted[] {
  const { own, wider } = networksOf(address);
  const counted: Counted[] = [
    { key: keyOf("login", own, user), limit: 10, limiter: "LOGIN_LIMITER" },
    { key: keyOf("address", own), limit: 30, limiter: "ADDRESS_LIMITER" },
  ];
  if (wider !== null) counted.push({ key: keyOf("network", wider), limit: 100, limiter: "NETWORK_LIMITER" });
  return counted;
}

/** Of one length, whatever a client sends as a name. */
function keyOf(...parts: string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 22);
}
