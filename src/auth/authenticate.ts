/** Who is calling. */

import type { Oidc, Settings } from "../config.ts";
import { log } from "../log.ts";
import { RegistryError } from "../oci/errors.ts";
import { getUserEntry } from "../storage/users.ts";
import { Access } from "./access.ts";
import { parseAuthorization } from "./authorization-header.ts";
import { type Refused, unauthorized } from "./challenge.ts";
import { type FailedFrom, noteFailure } from "./failure-events.ts";
import { logIn } from "./log-in.ts";
import { findMachineAccess, noteUse } from "./machine-access.ts";
import { idOf, isMachineToken } from "./machine-token.ts";
import { acceptIdToken, OIDC_USER, subjectsOidcAccess } from "./oidc-access.ts";
import { issuerOf } from "./oidc-issuer.ts";
import { readToken, type TokenClaims } from "./tokens.ts";
import { isUserName, parseUserEntry, type UserEntry } from "./user-entry.ts";

/** The part of a request that says who is calling. */
export interface Caller extends FailedFrom {
  env: Env;
  settings: Settings;
  url: string;
  /** The Authorization header. */
  authorization: string | undefined;
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
      return acceptPassword(caller, presented.user, presented.password, now);
    case "token":
      return acceptToken(caller, presented.token, now);
    case "malformed":
      throw unauthorized("the Authorization header is malformed: use Basic or Bearer", refused(caller, null));
  }
}

/**
 * A user's password, or what stands in its place.
 * @throws RegistryError as {@link authenticate}
 */
export async function acceptPassword(
  caller: Caller,
  user: string,
  password: string,
  now: number,
): Promise<Access> {
  if (isMachineToken(password)) return acceptMachineToken(caller, user, password, now);
  const { oidc } = caller.settings;
  if (user === OIDC_USER && oidc !== null) return acceptForeign(caller, oidc, password, now);
  const found = await findUser(caller, user);
  const right = await logIn(caller, { user, password, entry: found }, now);
  // The same answer for an unknown user and for a wrong password.
  if (found === null || !right) throw unauthorized("unknown user or wrong password", refused(caller, null));
  return Access.ofUser(user, found, caller.settings.publicRepositories);
}

/** Failures are not counted: nobody guesses 256 random bits, and a machine must not be locked out by others. */
async function acceptMachineToken(caller: Caller, user: string, token: string, now: number): Promise<Access> {
  const access = await machineAccess(caller, user, idOf(token), now);
  if (access !== null) return access;
  noteFailure(caller, { user, credential: "token", outcome: "failed" }, now);
  const message = "the token is not valid, or no longer, or of another user: make a new one";
  throw unauthorized(message, refused(caller, null));
}

/** A token of another issuer; or one that this registry gave for it, which lives longer. */
async function acceptForeign(caller: Caller, oidc: Oidc, token: string, now: number): Promise<Access> {
  if (oidc.issuers.includes(issuerOf(token) ?? "")) return exchangeIdToken(caller, token, now);
  const claims = await readToken(caller.env, token, now);
  const access = claims?.subject.kind === "oidc" ? await subjectsAccess(caller, claims, now) : null;
  if (claims !== null && access !== null) return access.within(claims.carried);
  noteFailure(caller, { user: OIDC_USER, credential: "oidc", outcome: "failed" }, now);
  const message = "the token is of no issuer that is accepted here, or no longer valid";
  throw unauthorized(message, refused(caller, null));
}

/** @throws RegistryError as {@link authenticate}, and DENIED where no rule matches */
export async function exchangeIdToken(caller: Caller, token: string, now: number): Promise<Access> {
  const refuse = (message: string) => unauthorized(message, refused(caller, null));
  const { oidc } = caller.settings;
  if (oidc === null) throw refuse("this registry accepts no OpenID Connect tokens");
  try {
    return await acceptIdToken(caller, oidc, token, now, refuse);
  } catch (error) {
    if (error instanceof RegistryError && error.status < 500)
      noteFailure(caller, { user: OIDC_USER, credential: "oidc", outcome: "failed" }, now);
    throw error;
  }
}

async function machineAccess(caller: Caller, owner: string, id: string, now: number): Promise<Access | null> {
  if (!isUserName(owner)) return null;
  const access = await findMachineAccess(caller, { owner, id }, now);
  if (access !== null) caller.after(noteUse(caller.env.USERS, id, now));
  return access;
}

async function acceptToken(caller: Caller, token: string, now: number): Promise<Access> {
  const claims = await readToken(caller.env, token, now);
  const access = claims === null ? null : await subjectsAccess(caller, claims, now);
  if (claims === null || access === null) {
    const message = "the token is not valid, or no longer: get a new one";
    throw unauthorized(message, refused(caller, "invalid_token"));
  }
  return access.within(claims.carried);
}

/** What the one whom a token was given to may do by now; null when that is nothing any more. */
export async function subjectsAccess(
  caller: Caller,
  { subject, expiresAt }: TokenClaims,
  now: number,
): Promise<Access | null> {
  const { publicRepositories } = caller.settings;
  switch (subject.kind) {
    case "anonymous":
      return Access.anonymous(publicRepositories);
    case "user": {
      const found = await findUser(caller, subject.user);
      // A changed or removed user's tokens end with the change.
      if (found === null || found.fingerprint !== subject.fingerprint) return null;
      return Access.ofUser(subject.user, found, publicRepositories);
    }
    case "machine":
      return machineAccess(caller, subject.user, subject.id, now);
    case "oidc":
      return caller.settings.oidc === null ? null : subjectsOidcAccess(caller, subject, expiresAt);
  }
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

function refused({ settings, url }: Caller, error: Refused["error"]): Refused {
  return { settings, url, scope: null, error };
}
