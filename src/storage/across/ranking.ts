/** Repositories in the order of what they are, out of all databases. */

import { listRanked, type Ranked, type Ranking } from "../browse/ranking.ts";
import { databasesOf, readPlacement } from "../placement.ts";
import { allStores, type StoresEnv } from "../stores.ts";

/** A place in the order. Of the same value, databases come in their order, and in each the youngest first. */
export interface Rank extends Pick<Ranked, "value" | "id"> {
  database: string;
}

/** Above every repository's. */
const TOP = { value: Number.MAX_SAFE_INTEGER, id: Number.MAX_SAFE_INTEGER };

/**
 * The next repositories of an order. What a move has left behind (docs/databases.md) is read, and not among them.
 * @param after exclusive; null begins at the highest
 * @param limit how many are read
 * @returns `end`: the last that was read; null when there are no others
 */
export async function listRankedAcross(
  env: StoresEnv,
  ranking: Ranking,
  after: Rank | null,
  limit: number,
): Promise<{ found: (Ranked & Rank)[]; end: Rank | null }> {
  const databases = databasesOf(env);
  const lists = await Promise.all(
    allStores(env).map(async ({ name: database, db }) => {
      const ranked = await listRanked(db, ranking, belowOf(database, after, databases), limit);
      return ranked.map((one) => ({ ...one, database }));
    }),
  );
  // Each list is in order, and the sort keeps that of the databases.
  const read = lists
    .flat()
    .sort((one, other) => other.value - one.value)
    .slice(0, limit);
  const { placeOf } = readPlacement(env);
  return {
    found: read.filter(({ name, database }) => placeOf(name).database === database),
    end: read.length < limit ? null : (read.at(-1) ?? null),
  };
}

/** Below what the next of a database stand. */
function belowOf(database: string, after: Rank | null, databases: string[]): Pick<Ranked, "value" | "id"> {
  if (after === null) return TOP;
  const order = databases.indexOf(database) - databases.indexOf(after.database);
  // Of the same value, all of the databases behind are still to come, and none of those before.
  return { value: after.value, id: order === 0 ? after.id : order > 0 ? TOP.id : 0 };
}

/** As text, for {@link parseRank}. It tells no name. */
export function formatRank({ value, database, id }: Rank): string {
  return `${value}.${database}.${id}`;
}

/** @returns null for what {@link formatRank} never answers */
export function parseRank(env: StoresEnv, text: string): Rank | null {
  const [, value, database = "", id] = /^(\d{1,15})\.(\w+)\.(\d{1,15})$/.exec(text) ?? [];
  if (!databasesOf(env).includes(database)) return null;
  return { value: Number(value), database, id: Number(id) };
}
