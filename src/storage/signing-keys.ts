/** Keys that sign tokens, for a registry without a TOKEN_SECRET: made once, kept in D1. */

import type { Database } from "./database.ts";

/** The keys, the newest first. Makes the first one. */
export async function listSigningKeys(db: Database, random: string, now: number): Promise<string[]> {
  const found = await selectKeys(db);
  if (found.length > 0) return found;
  // Two requests may come here at once: one key wins, both read it.
  await db
    .prepare(`INSERT INTO signing_keys (id, secret, created_at) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING`)
    .bind(random, now)
    .all();
  return selectKeys(db);
}

async function selectKeys(db: Database): Promise<string[]> {
  const rows = await db
    .prepare(`SELECT secret FROM signing_keys WHERE id > 0 ORDER BY id DESC LIMIT 4`)
    .all<{ secret: string }>();
  return rows.map(({ secret }) => secret);
}
