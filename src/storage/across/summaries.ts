/** Summaries of repositories that lie in several databases. */

import type { RepositoryName } from "../../oci/reference.ts";
import { type Summary, summarize } from "../browse/summaries.ts";
import { readPlacement } from "../placement.ts";
import { openStores, type StoresEnv } from "../stores.ts";

/** As `summarize` of one database, in no order: bytes are shared only with repositories of the same one. */
export async function summarizeAll(env: StoresEnv, names: RepositoryName[]): Promise<Summary[]> {
  const { placeOf } = readPlacement(env);
  const lying = Map.groupBy(names, (name) => placeOf(name).database);
  const lists = await Promise.all(
    [...lying].map(([database, there]) => summarize(openStores(env, database).db, there)),
  );
  return lists.flat();
}
