/** Names of repositories, as people look through them: folder by folder, or by a part of the name. */

import type { RepositoryName } from "../../oci/reference.ts";
import type { Database } from "../database.ts";

/** Behind every name that begins with what stands before it: no name has this character. */
const BEHIND_ALL = "~";

/** Behind whatever an entry stands for: a folder ends with a slash. */
function behind(entry: string): string {
  return entry.endsWith("/") ? entry + BEHIND_ALL : entry;
}

/**
 * Names that begin with `prefix` and hold a manifest, in ASCII order.
 * @param after exclusive; it need not exist. "" begins at the first.
 */
export async function listNames(
  db: Database,
  prefix: string,
  after: string,
  limit: number,
): Promise<RepositoryName[]> {
  const rows = await db
    .prepare(
      `SELECT name FROM repositories
       WHERE listed = 1 AND name > ?1 AND name < ?2 ORDER BY name LIMIT ?3`,
    )
    .bind(after === "" ? prefix : behind(after), prefix + BEHIND_ALL, limit)
    .all<{ name: RepositoryName }>();
  return rows.map(({ name }) => name);
}

/**
 * What is in a folder, in ASCII order: names of repositories, and folders, which end with a slash. What is in these is
 * skipped, so that a folder of 100,000 repositories costs as much as one of a single one.
 * @param folder with the slash at its end; "" for all
 * @param after exclusive; "" begins at the first
 */
export async function listFolder(
  db: Database,
  folder: string,
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await db
    .prepare(
      `WITH RECURSIVE held (entry, step) AS (
         SELECT ?1, 0
         UNION ALL
         SELECT (SELECT CASE instr(substr(name, ?4), '/') WHEN 0 THEN name
                          ELSE substr(name, 1, ?4 - 1 + instr(substr(name, ?4), '/')) END
                 FROM repositories
                 WHERE listed = 1 AND name < ?2
                   AND name > CASE WHEN substr(entry, -1) = '/' AND step > 0 THEN entry || '~' ELSE entry END
                 ORDER BY name LIMIT 1), step + 1
         FROM held WHERE entry IS NOT NULL AND step < ?3)
       SELECT entry FROM held WHERE step > 0 AND entry IS NOT NULL ORDER BY step`,
    )
    .bind(
      after === "" ? folder : behind(after),
      folder + BEHIND_ALL,
      limit,
      // SQLite counts from 1.
      folder.length + 1,
    )
    .all<{ entry: string }>();
  return rows.map(({ entry }) => entry);
}
