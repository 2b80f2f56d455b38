/** What the users' KV namespace holds, made and changed: see auth/user-entry.ts for how the Worker reads it. */

import { hash } from "bcryptjs";
import { badInput } from "./failure.ts";

/** About 85 ms a check on Cloudflare. */
const COST = 10;

/** bcrypt reads no further. Bytes. */
const MAX_PASSWORD = 72;

const ACTIONS = ["pull", "push", "delete"];
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const USER_NAME = /^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}$/;
const GLOB = /^[a-z0-9*](?:[a-z0-9._/*-]{0,253}[a-z0-9*])?$/;

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
  if (USER_NAME.test(name)) return name;
  throw badInput(
    "A user name has letters, digits and . _ @ + -, at most 128, and begins with a letter or digit.",
  );
}

/** @throws Failure when a pattern or an action is none */
export function grantOf(repositories: string[], actions: string[]): Grant {
  for (const pattern of repositories) {
    if (!GLOB.test(pattern) || pattern.includes("***")) {
      throw badInput(`${pattern} matches no repository: write it like team/app, team/* or team/**.`);
    }
  }
  for (const action of actions) {
    if (!ACTIONS.includes(action)) throw badInput(`${action} is no action: use ${ACTIONS.join(", ")}.`);
  }
  return { repositories, actions };
}

/** @param entry null for all rights */
export function format(hash: string, entry: Omit<Entry, "hash"> | null): string {
  return entry === null ? hash : JSON.stringify({ hash, ...entry });
}

/** @returns null when the entry is malformed: the Worker lets such a user do nothing */
export function parse(value: string): { hash: string; rights: Omit<Entry, "hash"> | null } | null {
  if (BCRYPT.test(value)) return { hash: value, rights: null };
  try {
    const { hash, access = [], admin = false } = JSON.parse(value) as Entry;
    return BCRYPT.test(hash) ? { hash, rights: { access, admin } } : null;
  } catch {
    return null;
  }
}

/** For people. */
export function describeRights(value: string): string {
  const parsed = parse(value);
  if (parsed === null) return "malformed: may do nothing";
  if (parsed.rights === null) return "everything";
  const grants = parsed.rights.access.map(
    ({ repositories, actions }) => `${actions.join(", ")} in ${repositories.join(", ")}`,
  );
  if (parsed.rights.admin) grants.push("administrator");
  return grants.join("; ") || "nothing";
}

export interface Imported {
  /** User → bare hash: all rights. */
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
    else if (!USER_NAME.test(name)) refuse("not a user name");
    else if (!BCRYPT.test(hash)) refuse("not bcrypt: make it with htpasswd -B");
    else imported.users.set(name, hash);
  }
  return imported;
}
