/** Tokens (hono/jwt, HS256) as Docker's token specification wants them: short-lived, for some scopes. */

import { randomBytes } from "node:crypto";
import { sign, verify } from "hono/jwt";
import { readSettings } from "../config.ts";
import { listSigningKeys } from "../storage/signing-keys.ts";
import type { Scopes } from "./scopes.ts";

/** What tokens are for, and what challenges name. */
export const SERVICE = "berth";

/**
 * Long enough for a large layer that a relay sends in chunks: it cannot renew the client's token. A user's token
 * ends before, with any change of the user. Seconds.
 */
export const TOKEN_LIFETIME = 3600;

/** How long keys are kept in memory. Milliseconds. */
const KEYS_REMEMBERED = 60_000;

/** How soon a token that no key fits makes them be read again. Milliseconds. */
const KEYS_REFRESHED = 5_000;

export interface TokenClaims {
  /** Null for an anonymous caller. */
  user: string | null;
  /** Of the user's entry when the token was issued: a change of it ends the token. Null for anonymous callers. */
  fingerprint: string | null;
  carried: Scopes;
}

interface Payload {
  sub: string;
  fingerprint: string | null;
  carried: Scopes;
}

/** Seconds. */
const CLOCK_SKEW = 60;

let keys: { list: string[]; at: number } | null = null;

/** @param now milliseconds since the epoch */
export async function issueToken(env: Env, claims: TokenClaims, now: number): Promise<string> {
  const [newest] = await signingKeys(env, now);
  if (newest === undefined) throw new Error("there is no key to sign tokens with");
  const seconds = Math.floor(now / 1000);
  const { user, fingerprint, carried } = claims;
  const payload = {
    iss: SERVICE,
    aud: SERVICE,
    // Locations do not agree to the second on what time it is.
    iat: seconds - CLOCK_SKEW,
    nbf: seconds - CLOCK_SKEW,
    exp: seconds + TOKEN_LIFETIME,
    ...{ sub: user ?? "", fingerprint, carried },
  };
  return sign(payload, newest, "HS256");
}

/** What a token says; null when it is forged, expired, or of another service. */
export async function readToken(env: Env, token: string, now: number): Promise<TokenClaims | null> {
  const known = await signingKeys(env, now);
  const claims = await verifyWith(known, token);
  if (claims !== null) return claims;
  // Another isolate may sign with a key that has been added since. Not asked of D1 for every forgery.
  if (keys === null || now - keys.at < KEYS_REFRESHED) return null;
  keys = null;
  return verifyWith(await signingKeys(env, now), token);
}

async function verifyWith(known: string[], token: string): Promise<TokenClaims | null> {
  for (const key of known) {
    try {
      const payload = await verify(token, key, { alg: "HS256", iss: SERVICE, aud: SERVICE });
      // Signed by this registry: it has the form that it was given.
      const { sub, fingerprint, carried } = payload as unknown as Payload;
      return { user: sub === "" ? null : sub, fingerprint, carried };
    } catch {
      // Not signed with this key, or not valid: perhaps with an older one.
    }
  }
  return null;
}

/** Forgets the keys. For tests. */
export function forgetKeys(): void {
  keys = null;
}

/** The newest first. Without a TOKEN_SECRET they are in D1. */
async function signingKeys(env: Env, now: number): Promise<string[]> {
  const secrets = readSettings(env).tokenSecrets;
  if (secrets.length > 0) return secrets;
  if (keys === null || now - keys.at > KEYS_REMEMBERED) {
    keys = { list: await listSigningKeys(env.DB, randomBytes(32).toString("base64url"), now), at: now };
  }
  return keys.list;
}
