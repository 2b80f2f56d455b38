/** Tags: names for manifests. */

import type { RepositoryName, Tag } from "../oci/reference.ts";
import type { Database } from "./database.ts";

/**
 * Tags of a repository in ASCII order; null when there is no such repository.
 * @param after exclusive; it need not exist. Null begins at the first.
 */
export async function listTags(
  db: Database,
  repository: RepositoryName,
  after: string | null,
  limit: number,
): Promise<Tag[] | null> {
  // The left join answers one row without a tag for a repository that has none.
  const rows = await db
    .prepare(
      `SELECT tags.name FROM repositories
       LEFT JOIN tags ON tags.repository_id = repositories.id AND tags.name > ?2
       WHERE repositories.name = ?1 ORDER BY tags.name LIMIT ?3`,
    )
    .bind(repository, after ?? "", Math.max(limit, 1))
    .all<{ name: Tag | null }>();
  if (rows.length === 0) return null;
  return rows
    .map((row) => row.name)
    .filter((name) => name !== null)
    .slice(0, limit);
}
