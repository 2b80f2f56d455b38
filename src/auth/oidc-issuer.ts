/** Tokens of OpenID Connect issuers (jose): signed with a key that the issuer publishes, and meant for here. */

import {
  createRemoteJWKSet,
  decodeJwt,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import type { Oidc } from "../config.ts";
import { log } from "../log.ts";
import { isLoopback } from "./transport.ts";

/** Signatures by a key that only the issuer has: neither none nor the HMACs, for which its public key would do. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

/** Clocks differ. Seconds. */
const CLOCK_SKEW = 60;

/** How long a discovery document is believed. The keys themselves are read again sooner, by jose. Milliseconds. */
const DISCOVERED = 3_600_000;

/** How soon an issuer that failed is asked again. Milliseconds. */
const FAILED = 5_000;

const TIMEOUT = 5_000;

/** Characters. */
const MAX_SUBJECT = 512;

export type IdClaims = JWTPayload & { iss: string; sub: string; exp: number };

export type Verified =
  | { kind: "valid"; claims: IdClaims }
  | { kind: "invalid"; reason: string }
  /** The issuer does not give out its keys now. */
  | { kind: "unavailable" };

/** Null for an issuer that has failed. */
const known = new Map<string, { keys: JWTVerifyGetKey | null; at: number }>();

/** The issuer that a token names, whoever made it; null when it is no JWT. */
export function issuerOf(token: string): string | null {
  try {
    return decodeJwt(token).iss ?? null;
  } catch {
    return null;
  }
}

export async function verifyIdToken(
  token: string,
  { issuers, audiences }: Oidc,
  now: number,
): Promise<Verified> {
  const issuer = issuerOf(token);
  if (issuer === null) return { kind: "invalid", reason: "it is no token" };
  if (!issuers.includes(issuer)) return { kind: "invalid", reason: "its issuer is not accepted here" };
  try {
    const keys = await keysOf(issuer, now);
    const { payload } = await jwtVerify(token, keys, {
      ...{ issuer, audience: audiences, algorithms: ALGORITHMS, clockTolerance: CLOCK_SKEW },
      ...{ requiredClaims: ["sub", "exp"], currentDate: new Date(now) },
    });
    const { sub } = payload;
    // A subject travels in our own tokens, and in messages.
    if (typeof sub !== "string" || sub === "" || sub.length > MAX_SUBJECT)
      return { kind: "invalid", reason: "its sub is not accepted here" };
    return { kind: "valid", claims: payload as IdClaims };
  } catch (error) {
    const reason = reasonOf(error);
    if (reason !== null) return { kind: "invalid", reason };
    log("oidc-issuer-failed", { issuer, error }, "error");
    return { kind: "unavailable" };
  }
}

/** Forgets what was discovered. For tests. */
export function forgetIssuers(): void {
  known.clear();
}

/** What is wrong with the token; null when the token is not to blame. */
function reasonOf(error: unknown): string | null {
  if (error instanceof errors.JWTExpired) return "it has expired";
  if (error instanceof errors.JWTClaimValidationFailed) return `its ${error.claim} is not accepted here`;
  if (error instanceof errors.JWKSNoMatchingKey) return "the issuer has no such key";
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return "it does not say which of the issuer's keys it has";
  if (error instanceof errors.JOSENotSupported) return "it wants what is not supported here";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "its signature is wrong";
  if (error instanceof errors.JOSEAlgNotAllowed) return "its algorithm is not accepted here";
  const { code } = error as { code?: string };
  return code?.startsWith("ERR_JWT_") || code?.startsWith("ERR_JWS_") ? "it is malformed" : null;
}

/** jose keeps the keys for ten minutes, and asks for them when a token has one that it does not know. */
async function keysOf(issuer: string, now: number): Promise<JWTVerifyGetKey> {
  const before = known.get(issuer);
  if (before?.keys != null && now - before.at < DISCOVERED) return before.keys;
  if (before?.keys === null && now - before.at < FAILED) throw new Error("the issuer failed a moment ago");
  try {
    const keys = createRemoteJWKSet(await discover(issuer), { timeoutDuration: TIMEOUT });
    known.set(issuer, { keys, at: now });
    return keys;
  } catch (error) {
    known.set(issuer, { keys: null, at: now });
    throw error;
  }
}

/** OpenID Connect Discovery 1.0, section 4. @returns where the keys are */
async function discover(issuer: string): Promise<URL> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(TIMEOUT) });
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
  const { issuer: named, jwks_uri } = (await response.json()) as Record<string, unknown>;
  if (named !== issuer) throw new Error(`${url} is of another issuer`);
  const keys = new URL(String(jwks_uri));
  // An issuer on this machine is a test's.
  const safe = keys.protocol === "https:" || isLoopback(new URL(issuer).hostname);
  if (!safe) throw new Error(`${url} names keys at a URL without TLS`);
  return keys;
}
