/** Rules: what whoever signs in elsewhere may do here, by what the issuer says of him. Pure code, also for the CLI. */

import { createHash } from "node:crypto";
import { matchesClaim, saysSomething } from "./claim-pattern.ts";
import { type Grant, parseGrant } from "./user-entry.ts";

export interface Rule {
  /** As in the token's `iss`. */
  issuer: string;
  /** Name of a claim → pattern. All have to match. */
  claims: Record<string, string>;
  grants: Grant[];
  /** Another rule under the same name has another: it ends tokens that were given for this one. */
  fingerprint: string;
}

export type Claims = Record<string, unknown>;

export type ParsedRule = { rule: Rule; problem: null } | { rule: null; problem: string };

const RULE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

const MAX_PATTERN = 256;

/** Claims that say the same of all tokens that come here. */
const EVERYBODYS = ["iss", "aud", "iat", "nbf", "exp", "jti"];

export function isRuleName(text: string): boolean {
  return RULE_NAME.test(text);
}

/** Whether a rule is for these claims of this issuer. */
export function matchesRule({ issuer, claims }: Rule, iss: string, presented: Claims): boolean {
  if (issuer !== iss) return false;
  return Object.entries(claims).every(([name, pattern]) => {
    const value = Object.hasOwn(presented, name) ? presented[name] : undefined;
    const values = Array.isArray(value) ? value : [value];
    return values.some((each) => isScalar(each) && matchesClaim(pattern, String(each)));
  });
}

function isScalar(value: unknown): value is string | number | boolean {
  return ["string", "number", "boolean"].includes(typeof value);
}

/** @param json like {"issuer": "https://…", "claims": {"sub": "…"}, "access": […]} */
export function parseRule(json: unknown): ParsedRule {
  if (typeof json !== "object" || json === null) return wrong("it is no object");
  const { issuer, claims, access, ...others } = json as Record<string, unknown>;
  const [other] = Object.keys(others);
  if (other !== undefined) return wrong(`${other} is not known: use issuer, claims and access`);
  if (typeof issuer !== "string" || !URL.canParse(issuer))
    return wrong("issuer must be the URL that stands in the token's iss");
  const problem = problemOf(claims);
  if (problem !== null) return wrong(problem);
  const grants = Array.isArray(access) ? access.map(parseGrant) : [];
  if (grants.length === 0 || grants.some((grant) => grant === null))
    return wrong('access must be like [{"repositories": ["acme/app"], "actions": ["pull", "push"]}]');
  const text = JSON.stringify([issuer, claims, access]);
  const fingerprint = createHash("sha256").update(text).digest("base64url").slice(0, 22);
  const rule = { issuer, claims: claims as Rule["claims"], grants: grants as Grant[], fingerprint };
  return { rule, problem: null };
}

/** What is wrong with a rule's claims; null when nothing is. */
function problemOf(claims: unknown): string | null {
  if (typeof claims !== "object" || claims === null || Array.isArray(claims))
    return 'claims must be like {"sub": "repo:acme/app:ref:refs/heads/main"}';
  const patterns = Object.values(claims);
  if (!patterns.every((pattern) => typeof pattern === "string" && pattern.length <= MAX_PATTERN))
    return `each claim must be a pattern of at most ${MAX_PATTERN} characters`;
  // Of a public issuer, anybody in the world has a token.
  const telling = Object.entries(claims).filter(([name]) => !EVERYBODYS.includes(name));
  if (telling.some(([, pattern]) => saysSomething(pattern))) return null;
  return `claims must say more than * of more than ${EVERYBODYS.join(", ")}: whoever has a token of this issuer would match`;
}

function wrong(problem: string): ParsedRule {
  return { rule: null, problem };
}
