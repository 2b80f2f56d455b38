/** What the users' KV namespace holds, made and changed: see auth/user-entry.ts for how the Worker reads it. */

import { ACTIONS, isBcryptHash, isUserName } from "../auth/user-entry.ts";
import {
  faultOfGrant,
  faultOfPassword,
  hashPassword as hash,
  MAX_PASSWORD,
  MIN_PASSWORD,
  parseUser,
} from "../auth/user-rules.ts";
import { badInput } from "./failure.ts";

export { formatUser as format, parseUser as parse, type Rights } from "../auth/user-rules.ts";

export interface Grant {
  repositories: string[];
  actions: string[];
}

/** What a user gets of whom nothing else is said. */
export const EVERYWHERE: Grant = { repositories: ["**"], actions: [...ACTIONS] };

/** @param weak whether a short one will do. @throws Failure */
export async function hashPassword(password: string, weak = false): Promise<string> {
  switch (faultOfPassword(password, weak)) {
    case "empty":
      throw badInput("The password is empty.");
    case "short":
      throw badInput(
        `The password has fewer than ${MIN_PASSWORD} characters: choose a longer one, or insist with --weak.`,
      );
    case "long":
      throw badInput(`The password has more than ${MAX_PASSWORD} bytes: bcrypt would ignore the rest.`);
    case null:
      return hash(password);
  }
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
  const fault = faultOfGrant(repositories, actions);
  if (fault?.what === "pattern")
    throw badInput(`${fault.text} matches no repository: write it like team/app, team/* or team/**.`);
  if (fault?.what === "action") throw badInput(`${fault.text} is no action: use ${ACTIONS.join(", ")}.`);
  return { repositories, actions };
}

/** For people. */
export function describeRights(value: string): string {
  const parsed = parseUser(value);
  if (parsed === null) return "do nothing: the entry is malformed";
  if (parsed.rights === null) return "do everything";
  const grants = parsed.rights.access.map(
    ({ repositories, actions }) => `${actions.join(", ")} in ${repositories.join(", ")}`,
  );
  if (parsed.rights.admin) grants.push("administrator");
  return grants.join("; ") || "do nothing";
}

export interface Imported {
  /** By name. */
  users: Map<string, { hash: string; line: number }>;
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
    else imported.users.set(name, { hash, line: index + 1 });
  }
  return imported;
}
