/** Logging in with a password: remembered when it was checked lately, and held to a limit when it was not. */

import { RegistryError } from "../oci/errors.ts";
import type { StoresEnv } from "../storage/stores.ts";
import { dearestCost } from "./dearest-hash.ts";
import { type FailedFrom, noteFailure } from "./failure-events.ts";
import { countFailure, isBlocked, type Limiters, slowDown } from "./login-limit.ts";
import { check, recall, wasRight } from "./passwords.ts";
import { raiseHash } from "./raise.ts";
import type { UserEntry } from "./user-entry.ts";

interface Login {
  user: string;
  password: string;
  /** Null for a user who does not exist. */
  entry: UserEntry | null;
}

interface From extends FailedFrom {
  env: Limiters & Pick<Env, "USERS"> & StoresEnv;
}

/** @returns whether the password is right. @throws RegistryError TOOMANYREQUESTS */
export async function logIn(from: From, login: Login, now: number): Promise<boolean> {
  const { user, password, entry } = login;
  const recalled = recall(user, password, entry?.hash ?? null, now);
  const right = recalled ?? (await tryPassword(from, login, now));
  if (!right) noteFailure(from, { user, credential: "password", outcome: "failed" }, now);
  if (recalled === null && right && entry !== null)
    from.after(raiseHash(from.env, user, password, entry, now));
  return right;
}

async function tryPassword(from: From, login: Login, now: number): Promise<boolean> {
  const { env, address } = from;
  const { user, password } = login;
  const hash = login.entry?.hash ?? null;
  // Somebody else's failures do not hold up who has proven to know the password.
  const proven = wasRight(user, password, hash, now);
  if (!proven) {
    if (isBlocked(address, user, now)) throw tooMany(from, user, now);
    await slowDown(user, now);
  }
  const dearest = await dearestCost(env.USERS, hash, now);
  // What others have found out meanwhile: a burst must not get past.
  const known = recall(user, password, hash, now);
  if (known !== null) return known;
  if (!proven && isBlocked(address, user, now)) throw tooMany(from, user, now);
  if (check(user, password, hash, dearest, now)) return true;
  if (await countFailure(env, address, user, now)) throw tooMany(from, user, now);
  return false;
}

function tooMany(from: From, user: string, now: number): RegistryError {
  noteFailure(from, { user, credential: "password", outcome: "refused" }, now);
  return new RegistryError("TOOMANYREQUESTS", "too many failed logins: wait a minute", {
    headers: { "Retry-After": "60" },
  });
}
