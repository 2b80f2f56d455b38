/** What KV holds for a user: a bcrypt hash as `htpasswd -B` prints it, or JSON with rights. */

import { createHash } from "node:crypto";
import { type Glob, parseGlob } from "../oci/globs.ts";

export const ACTIONS = ["pull", "push", "delete"] as const;
export type Action = (typeof ACTIONS)[number];

/** Rights add up; there are no denials. */
export interface Grant {
  repositories: Glob[];
  actions: Action[];
}

export interface UserEntry {
  /** bcrypt. */
  hash: string;
  grants: Grant[];
  /** Whether the user may collect garbage. */
  admin: boolean;
  /** What stands for the entry in tokens: another password or other rights change it, a raised hash does not. */
  fingerprint: string;
  /** What stands for the password in it. */
  password: string;
}

/** Where a hash was raised: of which it is another for the same password. Digests. */
interface Raised {
  from: string;
  to: string;
}

/** About 310 ms a check. Above it one stalls all requests of an isolate, and tells by its time that the user exists. */
const MAX_COST = 12;

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;

/** User names are KV keys, and stand before the colon of Basic credentials. */
const USER_NAME = /^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}$/;

export function isUserName(text: string): boolean {
  return USER_NAME.test(text);
}

export function isBcryptHash(text: string): boolean {
  const cost = Number(BCRYPT.exec(text)?.[1]);
  return cost >= 4 && cost <= MAX_COST;
}

/** @returns null when the entry is malformed: it must open nothing */
export function parseUserEntry(value: string): UserEntry | null {
  const text = value.trim();
  if (isBcryptHash(text)) return withFingerprint({ hash: text, grants: [everything()], admin: true }, null);
  try {
    return parseJson(JSON.parse(text));
  } catch {
    return null;
  }
}

function everything(): Grant {
  return { repositories: [parseGlob("**") as Glob], actions: [...ACTIONS] };
}

function parseJson(json: unknown): UserEntry | null {
  if (typeof json !== "object" || json === null) return null;
  const { hash, access = [], admin = false, raised } = json as Record<string, unknown>;
  if (typeof hash !== "string" || !isBcryptHash(hash)) return null;
  if (!Array.isArray(access) || typeof admin !== "boolean") return null;
  const grants = access.map(parseGrant);
  return grants.every((grant) => grant !== null) ? withFingerprint({ hash, grants, admin }, raised) : null;
}

/** The entry with a dearer hash of the same password, as it is stored. Tokens that were issued stay good. */
export function formatRaised({ grants, admin, password }: UserEntry, hash: string): string {
  const raised: Raised = { from: password, to: digest(hash) };
  return JSON.stringify({ hash, access: grants.map(formatGrant), admin, raised });
}

/** A grant as it is stored: what {@link parseGrant} reads. */
export function formatGrant({ repositories, actions }: Grant) {
  return { repositories: repositories.map(({ pattern }) => pattern), actions };
}

function withFingerprint(entry: Omit<UserEntry, "fingerprint" | "password">, raised: unknown): UserEntry {
  const password = passwordOf(digest(entry.hash), raised);
  const rights = [entry.grants.map(formatGrant), entry.admin];
  return { ...entry, password, fingerprint: digest(JSON.stringify([password, rights])) };
}

/** Whoever sets another hash and leaves `raised` where it stood has set another password. */
function passwordOf(hash: string, raised: unknown): string {
  const { from, to } = (raised ?? {}) as Partial<Record<keyof Raised, unknown>>;
  return typeof from === "string" && to === hash ? from : hash;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

/** A grant as it is stored. @returns null when it is malformed */
export function parseGrant(json: unknown): Grant | null {
  if (typeof json !== "object" || json === null) return null;
  const { repositories, actions } = json as Record<string, unknown>;
  if (!Array.isArray(repositories) || !Array.isArray(actions)) return null;
  const globs = repositories.map((pattern) => (typeof pattern === "string" ? parseGlob(pattern) : null));
  const known = actions.filter((action) => ACTIONS.includes(action));
  if (globs.some((glob) => glob === null) || known.length !== actions.length) return null;
  return { repositories: globs as Glob[], actions: known };
}
