/**
 * Sessions of browsers: a token of this registry that is good for pages alone. It names whom it was given to and no
 * rights: those are looked up with every request, so that it ends with the user's change, as other tokens do. Whether it
 * was ended before its time is asked with every request too.
 */

import { createHash } from "node:crypto";
import { RegistryError } from "../oci/errors.ts";
import type { Actor } from "../storage/audit.ts";
import { endSession, endSessionsOf, isSessionEnded } from "../storage/ended-sessions.ts";
import { mainStores } from "../storage/stores.ts";
import type { Access, Subject } from "./access.ts";
import { acceptPassword, type Caller, subjectsAccess } from "./authenticate.ts";
import { isSameSecret } from "./secret.ts";
import { issueToken, readToken } from "./tokens.ts";

/** A working day. Milliseconds. */
const LIFETIME = 12 * 3_600_000;

/**
 * A session for a user's password, or for a machine token under its owner's name.
 * @returns what stands for it; `expiresAt` in milliseconds since the epoch
 * @throws RegistryError UNAUTHORIZED, or TOOMANYREQUESTS after too many failures
 */
export async function beginSession(
  caller: Caller,
  user: string,
  password: string,
  now: number,
): Promise<{ token: string; expiresAt: number }> {
  const access = await acceptPassword(caller, user, password, now);
  // What was given for another token carries a part of the rights: a session would have them all.
  if (access.byToken) throw new RegistryError("UNAUTHORIZED", "sign in with a password or a machine token");
  const expiresAt = Math.min(now + LIFETIME, access.expiresAt ?? Number.POSITIVE_INFINITY);
  const claims = { subject: access.subject, carried: null, expiresAt };
  return { token: await issueToken(caller.env, claims, now, "pages"), expiresAt };
}

/** Whose session it is, with what that one may do by now; null when it is none, or no longer. */
export async function resumeSession(caller: Caller, token: string, now: number): Promise<Access | null> {
  const claims = await readToken(caller.env, token, now, "pages");
  if (claims === null) return null;
  const session = { id: idOf(token), user: nameOf(claims.subject), begunAt: claims.issuedAt };
  const [access, ended] = await Promise.all([
    subjectsAccess(caller, claims, now),
    isSessionEnded(mainStores(caller.env).db, session),
  ]);
  return ended ? null : access;
}

/** For good, wherever its token has been copied to. What is no session, or no longer, is left as it is. @throws Unavailable */
export async function signOut(env: Env, token: string, now: number): Promise<void> {
  const claims = await readToken(env, token, now, "pages");
  if (claims !== null) await endSession(mainStores(env).db, idOf(token), claims.expiresAt, now);
}

/** All sessions that a user has, those begun with his machine tokens too. @throws Unavailable */
export function signOutEverywhere(env: Env, by: Actor, user: string, now: number): Promise<void> {
  return endSessionsOf(mainStores(env).db, by, user, now + LIFETIME, now);
}

/** Who holds the rows can begin no session with them. */
function idOf(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

/** Whose a session is: a user, or a name from elsewhere, which no user has. */
function nameOf(subject: Subject): string {
  if (subject.kind === "anonymous") return "";
  return subject.kind === "oidc" ? subject.name : subject.user;
}

/** What the forms of a page carry: it is known only to whoever can read the cookie, or the page. */
export function formTokenOf(cookie: string): string {
  return createHash("sha256").update(`form ${cookie}`).digest("base64url");
}

/** Whether a form was on a page of this browser. */
export function isFormToken(cookie: string, token: string): boolean {
  return isSameSecret(formTokenOf(cookie), token);
}
