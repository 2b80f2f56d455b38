/** Which registry this database belongs to, and how new its tables are. */

import { type Database, isNotMigrated } from "./database.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** What this code needs. A migration raises it together with the row below. */
export const SCHEMA_VERSION = 12;

interface RegistryRow {
  /** Random, made with the database. */
  identity: string;
  schema_version: number;
  /** See whereabouts.ts. */
  store: string | null;
  old_store: string | null;
}

/** @throws Unavailable */
export async function getRegistry(db: Database): Promise<{ identity: string }> {
  const row = await find(db);
  if (row === null) throw new Error("the table registry is empty: its row must not be deleted");
  return { identity: row.identity };
}

/** Whether the tables are as new as this code needs them. @throws Unavailable */
export async function isMigrated(db: Database): Promise<boolean> {
  return (await findMigrated(db)) !== null;
}

/** Where its objects are, as it is noted; null as long as the tables are not as new as this code needs them. @throws Unavailable */
export async function findMigrated(db: Database): Promise<Whereabouts | null> {
  try {
    const row = await find(db);
    return row === null || row.schema_version < SCHEMA_VERSION
      ? null
      : { store: row.store, old: row.old_store };
  } catch (error) {
    if (isNotMigrated(error)) return null;
    throw error;
  }
}

function find(db: Database): Promise<RegistryRow | null> {
  return db
    .prepare(`SELECT identity, schema_version, store, old_store FROM registry WHERE id = 1`)
    .first<RegistryRow>();
}
