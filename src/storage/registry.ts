/** The registry itself: one row, made once. */

export interface Registry {
  /** Random, and the same for as long as the database lives. */
  identity: string;
}

/** Makes the row when there is none. */
export async function getRegistry(db: D1Database): Promise<Registry> {
  const found = await selectRegistry(db);
  if (found !== null) return found;
  // Two requests may come here at once: one identity wins, both read it.
  await db
    .prepare(
      `INSERT INTO registry (id, identity, schema_version, created_at) VALUES (1, ?1, 1, ?2)
       ON CONFLICT DO NOTHING`,
    )
    .bind(crypto.randomUUID(), Date.now())
    .run();
  return (await selectRegistry(db)) as Registry;
}

function selectRegistry(db: D1Database): Promise<Registry | null> {
  return db.prepare(`SELECT identity FROM registry WHERE id = 1`).first<Registry>();
}
