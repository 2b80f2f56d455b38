/** What a user may be made of: for the pages, and for `berth user`. Pure, but for the hash. */

import { createHash } from "node:crypto";
import { hash } from "bcryptjs";
import { type Glob, globCovers, parseGlob } from "../oci/globs.ts";
import { ACTIONS, type Action, formatGrant, type Grant, isBcryptHash, parseUserEntry } from "./user-entry.ts";

/** Of bcrypt. About 85 ms a check on Cloudflare. */
export const USUAL_COST = 10;

/** bcrypt reads no further. Bytes. */
export const MAX_PASSWORD = 72;

/** Shorter ones are guessed. Characters. */
export const MIN_PASSWORD = 8;

/** As they are stored. */
export interface Rights {
  access: { repositories: string[]; actions: string[] }[];
  admin: boolean;
}

/** What is wrong with a password; null when nothing is. @param weak whether a short one will do */
export function faultOfPassword(password: string, weak = false): "empty" | "short" | "long" | null {
  if (password === "") return "empty";
  if (!weak && password.length < MIN_PASSWORD) return "short";
  return Buffer.byteLength(password) > MAX_PASSWORD ? "long" : null;
}

/** Takes its CPU time in small pieces. @param password one without a fault */
export function hashPassword(password: string): Promise<string> {
  return hash(password, USUAL_COST);
}

/** The first of them that matches no repository, or is no action; null when each has a meaning. */
export function faultOfGrant(
  repositories: string[],
  actions: string[],
): { what: "pattern" | "action"; text: string } | null {
  const pattern = repositories.find((each) => parseGlob(each) === null);
  if (pattern !== undefined) return { what: "pattern", text: pattern };
  const action = actions.find((each) => !(ACTIONS as readonly string[]).includes(each));
  return action === undefined ? null : { what: "action", text: action };
}

/** The entry as it is stored. @param rights null for all of them, an administrator's too */
export function formatUser(hash: string, rights: Rights | null): string {
  return rights === null ? hash : JSON.stringify({ hash, ...rights });
}

/** @returns null when the entry is malformed: such a user may do nothing. Rights: null as in {@link formatUser} */
export function parseUser(value: string): { hash: string; rights: Rights | null } | null {
  const parsed = parseUserEntry(value);
  if (parsed === null) return null;
  if (isBcryptHash(value)) return { hash: value, rights: null };
  return { hash: parsed.hash, rights: { access: parsed.grants.map(formatGrant), admin: parsed.admin } };
}

/** What stands for a user as it is: another password, and other rights, change it. @param value null for none */
export function versionOf(value: string | null): string {
  if (value === null) return "none";
  return parseUserEntry(value)?.fingerprint ?? createHash("sha256").update(value).digest("base64url");
}

/** Whether whoever has `own` has all of `wanted`. May say no where only a closer look would tell. */
export function coversGrants(own: readonly Grant[], wanted: readonly Grant[]): boolean {
  const has = (action: Action, glob: Glob) =>
    own.some(
      ({ actions, repositories }) =>
        actions.includes(action) && repositories.some((each) => globCovers(each, glob)),
    );
  return wanted.every(({ actions, repositories }) =>
    actions.every((action) => repositories.every((glob) => has(action, glob))),
  );
}
