/** The stores behind the registry, each behind its door. */

import { Database } from "./database.ts";
import type { Objects } from "./objects/objects.ts";
import { R2Objects } from "./objects/r2.ts";

export interface Stores {
  db: Database;
  objects: Objects;
}

/** Opens them; nothing is asked of any yet. */
export function openStores(env: Pick<Env, "DB" | "BUCKET">): Stores {
  return { db: new Database(env.DB), objects: new R2Objects(env.BUCKET) };
}
