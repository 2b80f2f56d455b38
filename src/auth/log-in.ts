/** Logging in with a password: remembered when it was checked lately, and held to a limit when it was not. */

import { RegistryError } from "../oci/errors.ts";
import { dearestCost } from "./dearest-hash.ts";
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

interface From {
  env: Limiters & { USERS: KVNamespace };
  address: string;
  after(work: Promise<void>): void;
}

/** @returns whether the password is right. @throws RegistryError TOOMANYREQUESTS */
export async function logIn(from: From, login: Login, now: number): Promise<boolean> {
  const { user, password, entry } = login;
  const recalled = recall(user, password, entry?.hash ?? null, now);
  if (recalled !== null) return recalled;
  const right = await tryPassword(from, login, now);
  if (right && entry !== null) from.after(raiseHash(from.env.USERS, user, password, entry, now));
  return right;
}

async function tryPassword({ env, address }: From, login: Login, now: number): Promise<boolean> {
  const { user, password } = login;
  const hash = login.entry?.hash ?? null;
  // Somebody else's failures do not hold up who has proven to know the password.
  const proven = wasRight(user, password, hash, now);
  if (!proven) {
    if (isBlocked(address, user, now)) throw tooMany();
    await slowDown(user, now);
  }
  const dearest = await dearestCost(env.USERS, hash, now);
  // What others have found out meanwhile: a burst must not get past.
  const known = recall(user, password, hash, now);
  if (known !== null) return known;
  if (!proven && isBlocked(address, user, now)) throw tooMany();
  if (check(user, password, hash, dearest, now)) return true;
  if (await countFailure(env, address, user, now)) throw tooMany();
  return false;
}

function tooMany(): RegistryError {
  return new RegistryError("TOOMANYREQUESTS", "too many failed logins: wait a minute", {
    headers: { "Retry-After": "60" },
  });
}
