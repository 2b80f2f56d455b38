/**
 * Checks passwords against bcrypt hashes, which takes about 85 ms of CPU each: docker sends the credentials with
 * every request, so what was checked is remembered for a minute, right or wrong.
 */

import { createHmac, randomBytes } from "node:crypto";
import { compareSync } from "bcryptjs";
import { remember } from "./remember.ts";
import { MAX_PASSWORD } from "./user-rules.ts";

/** How long a check counts. Milliseconds. */
const REMEMBERED = 60_000;

/** How long a right password is remembered to have been right: longer than an attacker can keep a user locked. */
const TRUSTED = 24 * 3_600_000;

/** What is remembered at most, of each kind; then the oldest goes. */
const MAX_REMEMBERED = 2000;

/** Of no password, at no cost yet. */
const NOBODY = "$2b$00$f/z9pbtetVxYwOiCrPrGPuTVlq95YKvTx8aX2B.WMFBgLOfMoeq8q";

/** Of this isolate only: who reads its memory finds no password, and no hash that could be attacked elsewhere. */
let key: Uint8Array | null = null;

/** Checks of the last minute. An attacker can fill it, which costs others a bcrypt run. */
const recent = new Map<string, { right: boolean; at: number }>();

/** When credentials were last right. Nobody fills it without knowing a password. */
const trusted = new Map<string, number>();

/** How many passwords have been checked in this isolate. */
export let bcryptRuns = 0;

/** How many rounds of bcrypt that took. */
export let work = 0;

/** What a check within the last minute said; null when there was none. */
export function recall(user: string, password: string, hash: string | null, now: number): boolean | null {
  const check = recent.get(keyOf(user, password, hash));
  return check !== undefined && now - check.at < REMEMBERED ? check.right : null;
}

/** Whether this very password has been right lately, though not within the last minute. */
export function wasRight(user: string, password: string, hash: string | null, now: number): boolean {
  return now - (trusted.get(keyOf(user, password, hash)) ?? Number.NEGATIVE_INFINITY) < TRUSTED;
}

/**
 * Runs bcrypt, at one go: requests that come with the same credentials meanwhile find the answer, and none has to
 * wait for what another request may never finish.
 * @param hash null for a user who does not exist
 * @param dearest the cost of the dearest hash that any user has: a failure takes its time, whoever the user is
 */
export function check(
  user: string,
  password: string,
  hash: string | null,
  dearest: number,
  now: number,
): boolean {
  bcryptRuns++;
  const right = isRight(password, hash, dearest);
  if (right) vouch(user, password, hash, now);
  else remember(recent, keyOf(user, password, hash), { right, at: now }, MAX_REMEMBERED);
  return right;
}

/** Remembers that a password is right. */
export function vouch(user: string, password: string, hash: string | null, now: number): void {
  const id = keyOf(user, password, hash);
  remember(recent, id, { right: true, at: now }, MAX_REMEMBERED);
  remember(trusted, id, now, MAX_REMEMBERED);
}

/** Of a bcrypt hash: the logarithm of the work that a check is. */
export function costOf(hash: string): number {
  return Number(hash.slice(4, 6));
}

/** Forgets everything. For tests. */
export function forget(): void {
  recent.clear();
  trusted.clear();
  bcryptRuns = 0;
  work = 0;
}

function isRight(password: string, hash: string | null, dearest: number): boolean {
  const tooLong = new TextEncoder().encode(password).byteLength > MAX_PASSWORD;
  if (hash !== null && compare(password, hash) && !tooLong) return true;
  // A cheaper hash, or none, must not tell by its time: 2^cost, and 2^cost again, 2^(cost + 1) … make 2^dearest.
  if (hash === null) compare(password, nobody(dearest));
  else for (let cost = costOf(hash); cost < dearest; cost++) compare(password, nobody(cost));
  return false;
}

function compare(password: string, hash: string): boolean {
  work += 2 ** costOf(hash);
  return compareSync(password, hash);
}

function nobody(cost: number): string {
  return NOBODY.replace("$00$", `$${String(cost).padStart(2, "0")}$`);
}

function keyOf(user: string, password: string, hash: string | null): string {
  // Not at start-up: a Worker has no randomness there.
  key ??= randomBytes(32);
  return createHmac("sha256", key)
    .update(JSON.stringify([user, password, hash]))
    .digest("base64");
}
