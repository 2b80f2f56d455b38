/** What the users' KV namespace holds, made and changed: see auth/user-entry.ts for how the Worker reads it. */

import { hash } from "bcryptjs";
import { ACTIONS, isBcryptHash, isUserName, parseUserEntry } from "../auth/user-entry.ts";
import { parseGlob } from "../oci/globs.ts";
import { badInput } from "./failure.ts";

/** About 85 ms a check on Cloudflare. */
const COST = 10;

/** bcrypt reads no further. Bytes. */
const MAX_PASSWORD = 72;

export interface Grant {
  repositories: string[];
  actions: string[];
}

/** A user with some rights. One with all of them is stored as a bare hash. */
export interface Entry {
  hash: string;
  access: Grant[];
  admin: boolean;
}

/** @throws Failure */
export async function hashPassword(password: string): Promise<string> {
  if (password === "") throw badInput("The password is empty.");
  if (Buffer.byteLength(password) > MAX_PASSWORD) {
    throw badInput(`The password has more than ${MAX_PASSWORD} bytes: bcrypt would ignore the rest.`);
  }
  return hash(password, COST);
}

/** @throws Failure */
export function checkName(name: string): string {
  if (isUserName(name)) return name;
  throw badInput(
    "A user name has letters, digits and . _ @ + -, at most 128, and begins with a letter or digit.",
  );
}

/** @throws Failure when a pattern or an action is none */
export function grantOf(repositories: string[], actions: string[]): Grant {
  for (const pattern of repositories) {
    if (parseGlob(pattern) === null) {
      throw badInput(`${pattern} matches no repository: write it like team/app, team/* or team/**.`);
    }
  }
  for (const action of actions) {
    if (!(ACTIONS as readonly string[]).includes(action))
      throw badInput(`${action} is no action: use ${ACTIONS.join(", ")}.`);
  }
  return { repositories, actions };
}

/** @param entry null for all rights */
export function format(hash: string, entry: Omit<Entry, "hash"> | null): string {
  return entry === null ? hash : JSON.stringify({ hash, ...entry });
}

/** @returns null when the entry is malformed: the Worker lets such a user do nothing */
export function parse(value: string): { hash: string; rights: Omit<Entry, "hash"> | null } | null {
  const parsed = parseUserEntry(value);
  if (parsed === null) return null;
  if (isBcryptHash(value)) return { hash: value, rights: null };
  const access = parsed.grants.map(({ repositories, actions }) => ({
    repositories: repositories.map(({ pattern }) => pattern),
    actions,
  }));
  return { hash: parsed.hash, rights: { access, admin: parsed.admin } };
}

/** For people. */
export function describeRights(value: string): string {
  const parsed = parse(value);
  if (parsed === null) return "do nothing: the entry is malformed";
  if (parsed.rights === null) return "do everything";
  const grants = parsed.rights.access.map(
    ({ repositories, actions }) => `${actions.join(", ")} in ${repositories.join(", ")}`,
  );
  if (parsed.rights.admin) grants.push("administrator");
  return grants.join("; ") || "do nothing";
}

export interface Imported {
  /** User → hash. */
  users: Map<string, string>;
  /** What was not taken, and why. */
  refused: { line: number; reason: string }[];
}

/** Reads an htpasswd file as it is. */
export function readHtpasswd(text: string): Imported {
  const imported: Imported = { users: new Map(), refused: [] };
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const [name, hash] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    const refuse = (reason: string) => imported.refused.push({ line: index + 1, reason });
    if (colon < 0) refuse("no colon");
    else if (!isUserName(name)) refuse("not a user name");
    else if (!isBcryptHash(hash)) refuse("not bcrypt of cost 4 to 12: make it with htpasswd -B");
    else imported.users.set(name, hash);
  }
  return imported;
}
