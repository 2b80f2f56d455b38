/**
 * A walk through all databases, one after another. Where it goes on is a text: that of the walk through one, behind
 * the name of its database unless that is the main one.
 */

import { MAIN, readPlacement } from "../placement.ts";
import { openStores, type Stores, type StoresEnv } from "../stores.ts";

/**
 * Where a walk goes on: null for what {@link nextStop} never answers. `after` is null at the beginning of a database.
 * @param after null begins at the first
 */
export function parseStop(
  env: StoresEnv,
  after: string | null,
): { stores: Stores; after: string | null } | null {
  const [, database = MAIN, rest = ""] = /^(?:(DB_\w+)\/)?(.*)$/s.exec(after ?? "") ?? [];
  if (after === "" || !readPlacement(env).databases.includes(database)) return null;
  return { stores: openStores(env, database), after: rest === "" ? null : rest };
}

/**
 * @param next where the walk goes on in this database; null when it is through
 * @returns where it goes on; null when it is through with all
 */
export function nextStop(env: StoresEnv, { name }: Stores, next: string | null): string | null {
  if (next !== null) return name === MAIN ? next : `${name}/${next}`;
  const { databases } = readPlacement(env);
  const following = databases[databases.indexOf(name) + 1];
  return following === undefined ? null : `${following}/`;
}
