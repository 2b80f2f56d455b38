/** The stores behind the registry, each behind its door. */

import { Database } from "./database.ts";
import type { Objects } from "./objects/objects.ts";
import { openObjects } from "./objects/open.ts";
import type { StoreEnv } from "./objects/store-settings.ts";

/** What they are opened with. */
export type StoresEnv = Pick<Env, "DB"> & StoreEnv;

export interface Stores {
  db: Database;
  objects: Objects;
}

/**
 * Opens them; nothing is asked of any yet.
 * @throws Error naming a setting that makes no sense: config.ts has seen it first
 * @param databaseLimit for those who add to the database, and have it refused in time. Bytes.
 */
export function openStores(env: StoresEnv, databaseLimit?: number): Stores {
  return { db: new Database(env.DB, databaseLimit), objects: openObjects(env) };
}
