/** What somebody who signed in elsewhere may do here. */

import { createHash } from "node:crypto";
import type { Oidc, Settings } from "../config.ts";
import { log } from "../log.ts";
import { RegistryError } from "../oci/errors.ts";
import { getRules, listRuleNames } from "../storage/rules.ts";
import { Access, type Subject } from "./access.ts";
import { verifyIdToken } from "./oidc-issuer.ts";
import { type Claims, matchesRule, parseRule, type Rule } from "./oidc-rules.ts";
import { remember } from "./remember.ts";

/** The user name under which tokens of other issuers are passwords. */
export const OIDC_USER = "oidc";

/** How long a verified token is remembered: docker sends it with every request. Milliseconds. */
const REMEMBERED = 60_000;

const MAX_REMEMBERED = 1000;

type OidcSubject = Extract<Subject, { kind: "oidc" }>;

interface Seen {
  issuer: string;
  claims: Claims & { sub: string };
  /** Of the rules that matched: they are read again with every request, and all of them once this has passed. */
  names: string[];
  until: number;
}

/** By the tokens' digests. */
const seen = new Map<string, Seen>();

interface From {
  env: Env;
  settings: Settings;
}

/**
 * @param refuse makes the answer to a token that is not valid
 * @throws what `refuse` makes, RegistryError DENIED where no rule matches, UNAUTHORIZED 503 when the issuer is away
 */
export async function acceptIdToken(
  { env, settings }: From,
  oidc: Oidc,
  token: string,
  now: number,
  refuse: (message: string) => RegistryError,
): Promise<Access> {
  const { issuer, claims, names } = await see(env.USERS, oidc, token, now, refuse);
  const rules = new Map<string, Rule>();
  for (const [name, rule] of await readRules(env.USERS, names))
    if (matchesRule(rule, issuer, claims)) rules.set(name, rule);
  if (rules.size === 0) {
    const detail = { issuer, sub: claims.sub };
    throw new RegistryError("DENIED", `no rule here is for ${claims.sub}`, { detail });
  }
  const prints = Object.fromEntries([...rules].map(([name, { fingerprint }]) => [name, fingerprint]));
  const subject: OidcSubject = { kind: "oidc", name: nameOf(issuer, claims.sub), rules: prints };
  return accessOf(subject, [...rules.values()], null, settings);
}

/** Neither a user's name nor another issuer's subject is like it. */
function nameOf(issuer: string, sub: string): string {
  return `${issuer.replace(/^https?:\/\//, "")}#${sub}`;
}

/** For a token that this registry gave. Null when all of the rules that it was given for have changed or gone. */
export async function subjectsOidcAccess(
  { env, settings }: From,
  subject: OidcSubject,
  expiresAt: number,
): Promise<Access | null> {
  const read = await readRules(env.USERS, Object.keys(subject.rules));
  const rules = [...read].filter(
    ([name, rule]) =>
      rule.fingerprint === subject.rules[name] && settings.oidc?.issuers.includes(rule.issuer) === true,
  );
  if (rules.length === 0) return null;
  return accessOf(
    subject,
    rules.map(([, rule]) => rule),
    expiresAt,
    settings,
  );
}

/** Forgets which tokens were verified. For tests. */
export function forgetIdTokens(): void {
  seen.clear();
}

function accessOf(subject: OidcSubject, rules: Rule[], expiresAt: number | null, settings: Settings): Access {
  const grants = rules.flatMap((rule) => rule.grants);
  return Access.ofOidc(subject, grants, expiresAt, settings.publicRepositories);
}

async function see(
  users: KVNamespace,
  oidc: Oidc,
  token: string,
  now: number,
  refuse: (message: string) => RegistryError,
): Promise<Seen> {
  const id = createHash("sha256").update(token).digest("base64");
  const before = seen.get(id);
  if (before !== undefined && before.until > now) return before;
  const verified = await verifyIdToken(token, oidc, now);
  if (verified.kind === "unavailable") throw unavailable();
  if (verified.kind === "invalid") throw refuse(`the OpenID Connect token is refused: ${verified.reason}`);
  const { claims } = verified;
  const rules = await readRules(users, await listRuleNames(users));
  const names = [...rules].filter(([, rule]) => matchesRule(rule, claims.iss, claims)).map(([name]) => name);
  const until = Math.min(claims.exp * 1000, now + REMEMBERED);
  const found = { issuer: claims.iss, claims, names, until };
  // One that no rule is for may have one in a moment.
  if (names.length > 0) remember(seen, id, found, MAX_REMEMBERED);
  return found;
}

/** A malformed rule gives nothing, with a line in the log. */
async function readRules(users: KVNamespace, names: string[]): Promise<Map<string, Rule>> {
  const rules = new Map<string, Rule>();
  for (const [name, text] of await getRules(users, names)) {
    const { rule, problem } = parseStored(text);
    if (rule !== null) rules.set(name, rule);
    else log("malformed-rule", { name, problem }, "error");
  }
  return rules;
}

function parseStored(text: string) {
  try {
    return parseRule(JSON.parse(text));
  } catch {
    return parseRule(null);
  }
}

function unavailable(): RegistryError {
  return new RegistryError("UNAUTHORIZED", "the token's issuer does not give out its keys now: try again", {
    status: 503,
    headers: { "Retry-After": "5" },
  });
}
