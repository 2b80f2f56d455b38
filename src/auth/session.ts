/**
 * Sessions of browsers: a token of this registry that is good for pages alone. It names whom it was given to and no
 * rights: those are looked up with every request, so that it ends with the user's change, as other tokens do.
 */

import { createHash } from "node:crypto";
import { RegistryError } from "../oci/errors.ts";
import type { Access } from "./access.ts";
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
  return claims === null ? null : subjectsAccess(caller, claims, now);
}

/** What the forms of a page carry: it is known only to whoever can read the cookie, or the page. */
export function formTokenOf(cookie: string): string {
  return createHash("sha256").update(`form ${cookie}`).digest("base64url");
}

/** Whether a form was on a page of this browser. */
export function isFormToken(cookie: string, token: string): boolean {
  return isSameSecret(formTokenOf(cookie), token);
}
