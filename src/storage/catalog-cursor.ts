/** Where a catalog goes on that stopped at a repository whose name the caller may not learn: a number stands for it. */

import type { Database } from "./database.ts";

/** Null when it has gone. */
export async function getRepositoryId(db: Database, name: string): Promise<number | null> {
  const row = await db
    .prepare(`SELECT id FROM repositories WHERE name = ?1`)
    .bind(name)
    .first<{ id: number }>();
  return row?.id ?? null;
}

/** Null when it has gone. */
export async function getRepositoryName(db: Database, id: number): Promise<string | null> {
  const row = await db
    .prepare(`SELECT name FROM repositories WHERE id = ?1`)
    .bind(id)
    .first<{ name: string }>();
  return row?.name ?? null;
}
