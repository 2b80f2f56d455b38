/** The stores behind the registry, each behind its door. */

import { Database } from "./database.ts";
import type { Objects } from "./objects/objects.ts";
import { R2Objects } from "./objects/r2.ts";

export interface Stores {
  db: Database;
  objects: Objects;
}

/**
 * Opens them; nothing is asked of any yet.
 * @param databaseLimit for those who add to the database, and have it refused in time. Bytes.
 */
export function openStores(env: Pick<Env, "DB" | "BUCKET">, databaseLimit?: number): Stores {
  return { db: new Database(env.DB, databaseLimit), objects: new R2Objects(env.BUCKET) };
}
