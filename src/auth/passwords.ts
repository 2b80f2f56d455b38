/**
 * Checks passwords against bcrypt hashes, which takes about 85 ms of CPU each: docker sends the credentials with
 * every request, so what was checked is remembered for a minute, right or wrong.
 */

import { createHmac, randomBytes } from "node:crypto";
import { compare } from "bcryptjs";

/** How long a check counts. Milliseconds. */
const REMEMBERED = 60_000;

/** How long a right password is remembered to have been right: longer than an attacker can keep a user locked. */
const TRUSTED = 24 * 3_600_000;

/** What is remembered at most; then the oldest goes. */
const MAX_REMEMBERED = 2000;

/** bcrypt reads no further. Bytes. */
const MAX_PASSWORD = 72;

/** Of no password. An unknown user costs as much time as a wrong password. */
const NOBODY = "$2b$10$f/z9pbtetVxYwOiCrPrGPuTVlq95YKvTx8aX2B.WMFBgLOfMoeq8q";

interface Check {
  result: Promise<boolean>;
  /** When it was made. Milliseconds since the epoch. */
  at: number;
  right: boolean;
}

/** Of this isolate only: an attacker who reads memory finds no password, and no hash that could be attacked. */
let key: Uint8Array | null = null;
const checks = new Map<string, Check>();

/** How many times bcrypt has run in this isolate. */
export let bcryptRuns = 0;

/** A check that was made within the last minute; null when bcrypt would have to run. */
export function recall(
  user: string,
  password: string,
  hash: string | null,
  now: number,
): Promise<boolean> | null {
  const check = checks.get(keyOf(user, password, hash));
  return check !== undefined && now - check.at < REMEMBERED ? check.result : null;
}

/** Whether this very password has been right lately, though not within the last minute. */
export function wasRight(user: string, password: string, hash: string | null, now: number): boolean {
  const check = checks.get(keyOf(user, password, hash));
  return check?.right === true && now - check.at < TRUSTED;
}

/**
 * Runs bcrypt. Requests that come with the same credentials meanwhile wait for the one run.
 * @param hash null for a user who does not exist
 */
export function check(user: string, password: string, hash: string | null, now: number): Promise<boolean> {
  const made: Check = { result: run(password, hash), at: now, right: false };
  made.result.then((right) => {
    made.right = right;
  });
  const id = keyOf(user, password, hash);
  checks.delete(id);
  checks.set(id, made);
  for (const oldest of checks.keys()) {
    if (checks.size <= MAX_REMEMBERED) break;
    checks.delete(oldest);
  }
  return made.result;
}

/** Forgets everything. For tests. */
export function forget(): void {
  checks.clear();
  bcryptRuns = 0;
}

async function run(password: string, hash: string | null): Promise<boolean> {
  bcryptRuns++;
  const tooLong = new TextEncoder().encode(password).byteLength > MAX_PASSWORD;
  const equal = await compare(password, hash ?? NOBODY);
  return equal && hash !== null && !tooLong;
}

function keyOf(user: string, password: string, hash: string | null): string {
  // Not at start-up: a Worker has no randomness there.
  key ??= randomBytes(32);
  return createHmac("sha256", key)
    .update(JSON.stringify([user, password, hash]))
    .digest("base64");
}
