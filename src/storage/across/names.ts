/** Names of repositories, or folders of them, out of all databases, in one order. */

import { getRepositoryId, getRepositoryName } from "../catalog-cursor.ts";
import type { Database } from "../database.ts";
import { databasesOf, MAIN, readPlacement } from "../placement.ts";
import { allStores, openStores, type StoresEnv } from "../stores.ts";

/** A name, and the database that it was read in. */
export interface Position {
  name: string;
  database: string;
}

export interface Names<Name> {
  /** In ASCII order, each once. */
  names: Name[];
  /** The last that was read; null when there are no others. There may be more names behind it than the page has. */
  end: Position | null;
}

/**
 * What of a list a page has. What a move has left behind (docs/databases.md) is read, and not among it: so a page may
 * be shorter, or empty, with others behind it.
 * @param list the first `limit` names of one database, in ASCII order
 */
export async function listAcross<Name extends string>(
  env: StoresEnv,
  list: (db: Database, limit: number) => Promise<Name[]>,
  limit: number,
): Promise<Names<Name>> {
  const { placeOf } = readPlacement(env);
  const lists = await Promise.all(
    allStores(env).map(async ({ name: database, db }) => ({ database, names: await list(db, limit) })),
  );
  // Behind the end of a list that was cut, names of its database are missing.
  const cut = lists
    .filter(({ names }) => names.length >= limit)
    .map(({ database, names }) => ({ database, name: names.at(-1) as string }))
    .reduce<Position | null>((first, end) => (first === null || end.name < first.name ? end : first), null);
  const known = lists
    .flatMap(({ database, names }) => names.filter((name) => placeOf(name).database === database))
    .filter((name) => cut === null || name <= cut.name);
  const names = [...new Set(known)].sort(byCode);
  if (names.length <= limit) return { names, end: cut };
  const last = names[limit - 1] as Name;
  return { names: names.slice(0, limit), end: { name: last, database: placeOf(last).database } };
}

/** The order of ASCII, which databases have too; not that of a language. */
function byCode(one: string, other: string): number {
  return one < other ? -1 : 1;
}

/** What stands for a position whose name the caller may not learn; null when it has gone. */
export async function hidePosition(env: StoresEnv, { name, database }: Position): Promise<string | null> {
  const id = await getRepositoryId(openStores(env, database).db, name);
  if (id === null) return null;
  return database === MAIN ? String(id) : `${database}.${id}`;
}

/** The name that {@link hidePosition} has hidden; null when it has gone, undefined for what it never answers. */
export async function findPosition(env: StoresEnv, hidden: string): Promise<string | null | undefined> {
  const [, database = MAIN, id] = /^(?:(\w+)\.)?(\d{1,15})$/.exec(hidden) ?? [];
  if (id === undefined || !databasesOf(env).includes(database)) return undefined;
  return getRepositoryName(openStores(env, database).db, Number(id));
}
