/**
 * A walk through all databases, one after another. Where it goes on is a text: that of the walk through one, behind
 * the name of its database unless that is the main one.
 */

import { databasesOf, MAIN } from "../placement.ts";
import { openStores, type Stores, type StoresEnv } from "../stores.ts";

/** Where a walk goes on. */
export interface Stop<Cursor> {
  stores: Stores;
  /** There; null at the beginning of a database. */
  cursor: Cursor | null;
}

/**
 * @param after null begins at the first
 * @param parse what the walk through one database has said; null for what it never says
 * @returns null for what {@link nextStop} never answers
 */
export function parseStop<Cursor>(
  env: StoresEnv,
  after: string | null,
  parse: (text: string) => Cursor | null,
): Stop<Cursor> | null {
  const [, database = MAIN, rest = ""] = /^(?:(DB_\w+)\/)?(.*)$/s.exec(after ?? "") ?? [];
  if (after === "" || !databasesOf(env).includes(database)) return null;
  const cursor = rest === "" ? null : parse(rest);
  return rest !== "" && cursor === null ? null : { stores: openStores(env, database), cursor };
}

/**
 * @param next where the walk goes on in this database; null when it is through
 * @returns where it goes on; null when it is through with all
 */
export function nextStop(env: StoresEnv, { name }: Stores, next: string | null): string | null {
  if (next !== null) return name === MAIN ? next : `${name}/${next}`;
  const databases = databasesOf(env);
  const following = databases[databases.indexOf(name) + 1];
  return following === undefined ? null : `${following}/`;
}
