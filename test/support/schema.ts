/** The schema of a database, as the migrations leave it. */

import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";

/** No two databases have the same, which is how the registry tells its own bucket. */
const IDENTITY = "UPDATE registry SET identity = lower(hex(randomblob(16)))";

/** Each as one statement: tables, their first rows, indexes and triggers. Null until the migrations have run once. */
let schema: string[] | null = null;

/**
 * Brings an empty database to where the migrations do. They run once in an isolate, as running them takes longer
 * than most tests: after that their outcome is written.
 */
export async function migrate(db: D1Database): Promise<void> {
  if (schema !== null) {
    await db.batch(schema.map((sql) => db.prepare(sql)));
    return;
  }
  await applyD1Migrations(db, env.MIGRATIONS);
  schema = await dump(db);
}

async function dump(db: D1Database): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT type, name, sql FROM sqlite_master
       WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY rowid`,
    )
    .all<{ type: string; name: string; sql: string }>();
  const of = (type: string) => results.filter((each) => each.type === type);
  const rows = await Promise.all(of("table").map(({ name }) => inserts(db, name)));
  return [of("table"), of("index"), of("trigger")]
    .map((kind) => kind.map(({ sql }) => sql))
    .toSpliced(1, 0, rows.flat())
    .flat()
    .concat(IDENTITY);
}

async function inserts(db: D1Database, table: string): Promise<string[]> {
  const { results } = await db
    .prepare(`SELECT * FROM "${table}"`)
    .all<Record<string, string | number | null>>();
  return results.map((row) => {
    const values = Object.values(row).map((value) =>
      typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value),
    );
    return `INSERT INTO "${table}" (${Object.keys(row).join(", ")}) VALUES (${values.join(", ")})`;
  });
}
