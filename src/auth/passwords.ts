/**
 * Checks passwords against bcrypt hashes, which takes about 85 ms of CPU each: docker sends the credentials with
 * every request, so what was checked is remembered for a minute, right or wrong.
 */

import { createHmac, randomBytes } from "node:crypto";
import { compareSync } from "bcryptjs";

/** How long a check counts. Milliseconds. */
const REMEMBERED = 60_000;

/** How long a right password is remembered to have been right: longer than an attacker can keep a user locked. */
const TRUSTED = 24 * 3_600_000;

/** What is remembered at most, of each kind; then the oldest goes. */
const MAX_REMEMBERED = 2000;

/** bcrypt reads no further. Bytes. */
const MAX_PASSWORD = 72;

/** The cost of {@link NOBODY}, and of what `npm run user` makes. */
const USUAL_COST = 10;

/** Of no password. An unknown user costs as much time as a wrong password. */
const NOBODY = "$2b$10$f/z9pbtetVxYwOiCrPrGPuTVlq95YKvTx8aX2B.WMFBgLOfMoeq8q";

/** Of this isolate only: who reads its memory finds no password, and no hash that could be attacked elsewhere. */
let key: Uint8Array | null = null;

/** Checks of the last minute. An attacker can fill it, which costs others a bcrypt run. */
const recent = new Map<string, { right: boolean; at: number }>();

/** When credentials were last right. Nobody fills it without knowing a password. */
const trusted = new Map<string, number>();

/** How many passwords have been checked in this isolate. */
export let bcryptRuns = 0;

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
 */
export function check(user: string, password: string, hash: string | null, now: number): boolean {
  bcryptRuns++;
  const right = isRight(password, hash);
  const id = keyOf(user, password, hash);
  remember(recent, id, { right, at: now });
  if (right) remember(trusted, id, now);
  return right;
}

/** Forgets everything. For tests. */
export function forget(): void {
  recent.clear();
  trusted.clear();
  bcryptRuns = 0;
}

function isRight(password: string, hash: string | null): boolean {
  const tooLong = new TextEncoder().encode(password).byteLength > MAX_PASSWORD;
  if (hash !== null && compareSync(password, hash) && !tooLong) return true;
  // A hash that is cheaper than usual must not tell by its time that the user exists.
  if (hash === null || Number(hash.slice(4, 6)) < USUAL_COST) compareSync(password, NOBODY);
  return false;
}

function remember<T>(memory: Map<string, T>, id: string, value: T): void {
  memory.delete(id);
  memory.set(id, value);
  for (const oldest of memory.keys()) {
    if (memory.size <= MAX_REMEMBERED) break;
    memory.delete(oldest);
  }
}

function keyOf(user: string, password: string, hash: string | null): string {
  // Not at start-up: a Worker has no randomness there.
  key ??= randomBytes(32);
  return createHmac("sha256", key)
    .update(JSON.stringify([user, password, hash]))
    .digest("base64");
}
