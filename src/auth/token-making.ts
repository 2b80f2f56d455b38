/**
 * Machine tokens come and go here, each behind its event: no batch can hold both, and no token is to come or go without
 * it.
 */

import { randomBytes } from "node:crypto";
import { type Actor, type Happening, writeHappening } from "../storage/audit.ts";
import { mainStores, type StoresEnv } from "../storage/stores.ts";
import {
  deleteToken,
  findTokens,
  getRevocation,
  listTokens,
  putToken,
  revokeTokens,
  type StoredToken,
} from "../storage/tokens.ts";
import { formatMachineToken, idOf } from "./machine-token.ts";

/** What one owner may have: a list is held in memory. */
export const MAX_TOKENS = 100;

/** Where users and their tokens are, and the trail. */
export type TokenStores = StoresEnv & Pick<Env, "USERS">;

export type Making =
  | { kind: "made"; token: string; stored: StoredToken }
  | { kind: "name-taken" }
  /** The owner has {@link MAX_TOKENS}. */
  | { kind: "too-many" };

export interface WantedToken {
  name: string;
  owner: string;
  access: StoredToken["access"];
  /** Null for ever. Milliseconds. */
  lifetime: number | null;
}

/** @throws Unavailable when the event cannot be written: then there is no token */
export async function makeToken(env: TokenStores, by: Actor, wanted: WantedToken): Promise<Making> {
  const { name, owner, access, lifetime } = wanted;
  const [existing, listed] = await Promise.all([
    findTokens(env.USERS, owner, name),
    listTokens(env.USERS, owner),
  ]);
  if (existing.length > 0 || listed.some((token) => token.name === name)) return { kind: "name-taken" };
  if (listed.length >= MAX_TOKENS) return { kind: "too-many" };
  const token = formatMachineToken(randomBytes(32));
  // Not as old as those that were revoked a moment ago.
  const createdAt = Math.max(Date.now(), (await getRevocation(env.USERS, owner)) + 1);
  const expiresAt = lifetime === null ? null : createdAt + lifetime;
  await note(env, by, "create-token", `${owner}/${name}`, { id: idOf(token), access, expiresAt });
  const stored = { name, owner, access, createdAt, expiresAt };
  await putToken(env.USERS, idOf(token), stored);
  return { kind: "made", token, stored };
}

/** @param name a valid one @returns false when the owner has none of this name */
export async function revokeToken(
  env: TokenStores,
  by: Actor,
  owner: string,
  name: string,
): Promise<boolean> {
  const ids = await findTokens(env.USERS, owner, name);
  if (ids.length === 0) return false;
  await note(env, by, "revoke-token", `${owner}/${name}`, ids.length === 1 ? { id: ids[0] } : { ids });
  for (const id of ids) await deleteToken(env.USERS, { id, owner, name });
  return true;
}

/** All of an owner. */
export async function revokeAllTokens(env: TokenStores, by: Actor, owner: string): Promise<void> {
  await note(env, by, "revoke-tokens", owner, null);
  await revokeTokens(env.USERS, owner, Date.now());
}

function note(
  env: TokenStores,
  by: Actor,
  action: Happening["action"],
  reference: string,
  detail: object | null,
): Promise<void> {
  return writeHappening(mainStores(env).db, by, { action, outcome: "done", reference, detail });
}
