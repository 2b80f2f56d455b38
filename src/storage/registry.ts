/** Which registry this database belongs to, and how new its tables are. */

import { type Database, isNotMigrated } from "./database.ts";

/** What this code needs. A migration raises it together with the row below. */
export const SCHEMA_VERSION = 9;

interface RegistryRow {
  /** Random, made with the database. */
  identity: string;
  schema_version: number;
}

/** @throws Unavailable */
export async function getRegistry(db: Database): Promise<{ identity: string }> {
  const row = await find(db);
  if (row === null) throw new Error("the table registry is empty: its row must not be deleted");
  return { identity: row.identity };
}

/** Whether the tables are as new as this code needs them. @throws Unavailable */
export async function isMigrated(db: Database): Promise<boolean> {
  try {
    return ((await find(db))?.schema_version ?? 0) >= SCHEMA_VERSION;
  } catch (error) {
    if (isNotMigrated(error)) return false;
    throw error;
  }
}

function find(db: Database): Promise<RegistryRow | null> {
  return db.prepare(`SELECT identity, schema_version FROM registry WHERE id = 1`).first<RegistryRow>();
}
