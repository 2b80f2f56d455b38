/** Collections of all databases as one list. */

import { listRuns } from "../garbage/runs.ts";
import { allDatabases, type StoresEnv } from "../stores.ts";

/** As `listRuns` of one database. */
export async function listAllRuns(env: StoresEnv, limit: number): Promise<{ startedAt: number }[]> {
  const lists = await Promise.all(allDatabases(env).map((db) => listRuns(db, limit)));
  return lists
    .flat()
    .sort((one, other) => other.startedAt - one.startedAt)
    .slice(0, limit);
}
