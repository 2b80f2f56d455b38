/** Tokens (hono/jwt, HS256) as Docker's token specification wants them: short-lived, for some scopes. */

import { randomBytes } from "node:crypto";
import { sign, verify } from "hono/jwt";
import { readSettings } from "../config.ts";
import { getRegistry } from "../storage/registry.ts";
import { listSigningKeys } from "../storage/signing-keys.ts";
import { mainStores } from "../storage/stores.ts";
import type { Subject } from "./access.ts";
import type { Scopes } from "./scopes.ts";

/** What challenges call the registry. */
export const SERVICE = "berth";

/**
 * Long enough for a large layer that a relay sends in chunks: it cannot renew the client's token. A user's token
 * ends before, with any change of the user. Milliseconds.
 */
export const TOKEN_LIFETIME = 3_600_000;

/** How long keys are kept in memory. Milliseconds. */
const KEYS_REMEMBERED = 60_000;

/** How soon a token that no key fits makes them be read again. Milliseconds. */
const KEYS_REFRESHED = 5_000;

export interface TokenClaims {
  subject: Subject;
  /** Null for all that the subject may do. */
  carried: Scopes | null;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** What a token says that has been issued. */
export interface IssuedClaims extends TokenClaims {
  /** Milliseconds since the epoch. */
  issuedAt: number;
}

type Payload = Omit<TokenClaims, "expiresAt"> & { iat: number; exp: number };

/** What a token is for: clients of the registry send it, or a browser does as its session. Neither passes for the other. */
export type Use = "registry" | "pages";

/** Locations do not agree to the second on what time it is. Seconds. */
const CLOCK_SKEW = 60;

/** What signs, the newest first, and which registry this is: issuer and audience. */
interface Keys {
  identity: string;
  secrets: string[];
}

let keys: (Keys & { at: number }) | null = null;

/** @param now milliseconds since the epoch */
export async function issueToken(
  env: Env,
  claims: TokenClaims,
  now: number,
  use: Use = "registry",
): Promise<string> {
  const { identity, secrets } = await readKeys(env, now);
  const [newest] = secrets;
  if (newest === undefined) throw new Error("there is no key to sign tokens with");
  const { subject, carried, expiresAt } = claims;
  // To the millisecond: sessions that began until a moment can be ended, and none that begins after it.
  const begin = now / 1000 - CLOCK_SKEW;
  const times = { iat: begin, nbf: Math.floor(begin), exp: Math.floor(expiresAt / 1000) };
  return sign({ iss: identity, aud: audienceOf(identity, use), ...times, subject, carried }, newest, "HS256");
}

/** What a token says; null when it is forged, expired, of another registry, or for another use. */
export async function readToken(
  env: Env,
  token: string,
  now: number,
  use: Use = "registry",
): Promise<IssuedClaims | null> {
  const claims = await verifyWith(await readKeys(env, now), token, use);
  if (claims !== null) return claims;
  // Another isolate may sign with a key that has been added since. Not asked of D1 for every forgery.
  if (keys === null || now - keys.at < KEYS_REFRESHED) return null;
  keys = null;
  return verifyWith(await readKeys(env, now), token, use);
}

function audienceOf(identity: string, use: Use): string {
  return use === "registry" ? identity : `${identity}/${use}`;
}

async function verifyWith(
  { identity, secrets }: Keys,
  token: string,
  use: Use,
): Promise<IssuedClaims | null> {
  const aud = audienceOf(identity, use);
  for (const secret of secrets) {
    try {
      const payload = await verify(token, secret, { alg: "HS256", iss: identity, aud });
      // Signed by this registry: it has the form that it was given.
      const { subject, carried, iat, exp } = payload as unknown as Payload;
      const issuedAt = Math.round((iat + CLOCK_SKEW) * 1000);
      return { subject, carried, issuedAt, expiresAt: exp * 1000 };
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

/** Without a TOKEN_SECRET the keys are in D1. */
async function readKeys(env: Env, now: number): Promise<Keys> {
  const { tokenSecrets } = readSettings(env);
  if (keys === null || now - keys.at > KEYS_REMEMBERED) {
    const { db } = mainStores(env);
    const { identity } = await getRegistry(db);
    const random = randomBytes(32).toString("base64url");
    const secrets = tokenSecrets.length > 0 ? [] : await listSigningKeys(db, random, now);
    keys = { identity, secrets, at: now };
  }
  return tokenSecrets.length > 0 ? { ...keys, secrets: tokenSecrets } : keys;
}
