/** Users come, change and go here, as with `berth user`: each change behind its event, and none over another one. */

import type { Actor } from "../storage/audit.ts";
import { mainStores } from "../storage/stores.ts";
import { markRevoked } from "../storage/tokens.ts";
import { claimUserChange, type UserChange } from "../storage/user-changes.ts";
import { deleteUserEntry, getUserEntry, putUserEntry } from "../storage/users.ts";
import type { TokenStores } from "./token-making.ts";
import { formatUser, hashPassword, parseUser, type Rights, versionOf } from "./user-rules.ts";

/** "stale": somebody has changed the user since it was read, or KV may still show what was before. */
export type Changing =
  | { kind: "changed"; entry: string | null }
  | { kind: "stale" }
  /** There is a user of this name. */
  | { kind: "taken" }
  /** The entry opens nothing, and nobody knows what it was to say. */
  | { kind: "malformed" };

/** Who does it, and the user as it was read. */
interface Of {
  by: Actor;
  name: string;
  /** What the page stood for that the change was asked on. */
  version: string;
}

/** @param password one without a fault @throws Unavailable when the event cannot be written: then there is no user */
export async function addUser(
  env: TokenStores,
  by: Actor,
  name: string,
  password: string,
  rights: Rights,
): Promise<Changing> {
  if ((await getUserEntry(env.USERS, name)) !== null) return { kind: "taken" };
  const entry = formatUser(await hashPassword(password), rights);
  const change = { user: name, action: "add-user", detail: rights } as const;
  return write(env, by, { ...change, from: versionOf(null), to: versionOf(entry) }, entry);
}

/** The rights stay. @param password one without a fault @throws Unavailable */
export async function changePassword(env: TokenStores, of: Of, password: string): Promise<Changing> {
  const read = await readUser(env, of);
  if (read.kind !== "read") return read;
  const entry = formatUser(await hashPassword(password), read.rights);
  return write(env, of.by, changeOf(of, entry, "change-password", null), entry);
}

/** These, and no others. The password stays. @throws Unavailable */
export async function setRights(env: TokenStores, of: Of, rights: Rights): Promise<Changing> {
  const read = await readUser(env, of);
  if (read.kind !== "read") return read;
  const entry = formatUser(read.hash, rights);
  return write(env, of.by, changeOf(of, entry, "set-rights", rights), entry);
}

/** With its tokens. @throws Unavailable */
export async function removeUser(env: TokenStores, of: Of): Promise<Changing> {
  const read = await readUser(env, of);
  if (read.kind === "stale") return read;
  return write(env, of.by, changeOf(of, null, "remove-user", null), null);
}

async function readUser(env: TokenStores, { name, version }: Of) {
  const text = await getUserEntry(env.USERS, name);
  if (text === null || versionOf(text) !== version) return { kind: "stale" } as const;
  const parsed = parseUser(text);
  return parsed === null ? ({ kind: "malformed" } as const) : ({ kind: "read", ...parsed } as const);
}

function changeOf(
  { name, version }: Of,
  entry: string | null,
  action: UserChange["action"],
  detail: object | null,
): UserChange {
  return { user: name, from: version, to: versionOf(entry), action, detail };
}

async function write(
  env: TokenStores,
  by: Actor,
  change: UserChange,
  entry: string | null,
): Promise<Changing> {
  const now = Date.now();
  if (!(await claimUserChange(mainStores(env).db, by, change, now))) return { kind: "stale" };
  if (entry !== null) await putUserEntry(env.USERS, change.user, entry);
  else {
    // First, or the tokens would live again with another user of this name.
    await markRevoked(env.USERS, change.user, now);
    await deleteUserEntry(env.USERS, change.user);
  }
  return { kind: "changed", entry };
}
