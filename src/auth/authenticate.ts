/** Who is calling. */

import type { Settings } from "../config.ts";
import { log } from "../log.ts";
import { RegistryError } from "../oci/errors.ts";
import { getUserEntry } from "../storage/users.ts";
import { Access } from "./access.ts";
import { parseAuthorization } from "./authorization-header.ts";
import { type Refused, unauthorized } from "./challenge.ts";
import { dearestCost } from "./dearest-hash.ts";
import { countFailure, isBlocked, slowDown } from "./login-limit.ts";
import { check, recall, wasRight } from "./passwords.ts";
import { raiseHash } from "./raise.ts";
import { readToken } from "./tokens.ts";
import { isUserName, parseUserEntry, type UserEntry } from "./user-entry.ts";

/** The part of a request that says who is calling. */
export interface Caller {
  env: Env;
  settings: Settings;
  url: string;
  /** The Authorization header. */
  authorization: string | undefined;
  /** The network address, which Cloudflare gives. */
  address: string;
  /** Has something done that the answer does not wait for. It must not fail. */
  after(work: Promise<void>): void;
}

/**
 * @returns the caller's access: an anonymous one's when nothing was presented
 * @throws RegistryError UNAUTHORIZED when what was presented is not valid, TOOMANYREQUESTS after too many failures
 */
export async function authenticate(caller: Caller, now: number): Promise<Access> {
  const presented = parseAuthorization(caller.authorization);
  switch (presented.kind) {
    case "nothing":
      return Access.anonymous(caller.settings.publicRepositories);
    case "password":
      return logIn(caller, presented.user, presented.password, now);
    case "token":
      return acceptToken(caller, presented.token, now);
    case "malformed":
      throw unauthorized("the Authorization header is malformed: use Basic or Bearer", refused(caller, null));
  }
}

/** @throws RegistryError as {@link authenticate} */
export async function logIn(caller: Caller, user: string, password: string, now: number): Promise<Access> {
  const found = await findUser(caller, user);
  const hash = found?.hash ?? null;
  const recalled = recall(user, password, hash, now);
  const right = recalled ?? (await tryPassword(caller, user, password, hash, now));
  // The same answer for an unknown user and for a wrong password.
  if (found === null || !right) throw unauthorized("unknown user or wrong password", refused(caller, null));
  if (recalled === null) caller.after(raiseHash(caller.env.USERS, user, password, found, now));
  return Access.of(user, found, caller.settings.publicRepositories);
}

async function tryPassword(
  { env, address }: Caller,
  user: string,
  password: string,
  hash: string | null,
  now: number,
): Promise<boolean> {
  // Somebody else's failures do not hold up who has proven to know the password.
  if (!wasRight(user, password, hash, now)) {
    if (isBlocked(address, user, now)) throw tooMany();
    await slowDown(user, now);
  }
  const dearest = await dearestCost(env.USERS, hash, now);
  // What others have found out meanwhile: a burst must not get past.
  const known = recall(user, password, hash, now);
  if (known !== null) return known;
  if (isBlocked(address, user, now) && !wasRight(user, password, hash, now)) throw tooMany();
  if (check(user, password, hash, dearest, now)) return true;
  if (await countFailure(env, address, user, now)) throw tooMany();
  return false;
}

async function acceptToken(caller: Caller, token: string, now: number): Promise<Access> {
  const claims = await readToken(caller.env, token, now);
  if (claims === null) throw invalidToken(caller);
  if (claims.user === null)
    return Access.anonymous(caller.settings.publicRepositories).within(claims.carried);
  const found = await findUser(caller, claims.user);
  // A changed or removed user's tokens end with the change.
  if (found === null || found.fingerprint !== claims.fingerprint) throw invalidToken(caller);
  const access = Access.of(claims.user, found, caller.settings.publicRepositories);
  return access.within(claims.carried);
}

/** Null for an unknown user, and for one whose entry is malformed: it opens nothing. */
async function findUser({ env }: Caller, user: string): Promise<UserEntry | null> {
  if (!isUserName(user)) return null;
  const entry = await getUserEntry(env.USERS, user);
  if (entry === null) return null;
  const parsed = parseUserEntry(entry);
  if (parsed === null) log("malformed-user-entry", { user }, "error");
  return parsed;
}

function invalidToken(caller: Caller): RegistryError {
  return unauthorized(
    "the token is not valid, or no longer: get a new one",
    refused(caller, "invalid_token"),
  );
}

function refused({ settings, url }: Caller, error: Refused["error"]): Refused {
  return { settings, url, scope: null, error };
}

function tooMany(): RegistryError {
  return new RegistryError("TOOMANYREQUESTS", "too many failed logins: wait a minute", {
    headers: { "Retry-After": "60" },
  });
}
