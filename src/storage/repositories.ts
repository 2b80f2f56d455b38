/** Repositories: they come into being with their first blob or manifest. */

import type { RepositoryName } from "../oci/reference.ts";
import type { Database, Statement } from "./database.ts";

/**
 * A statement that makes sure a repository exists, for the head of a batch.
 * @param owner whose it is when it did not: null for nobody who is known
 */
export function ensureRepository(db: Database, name: RepositoryName, owner: string | null): Statement {
  return db
    .prepare(`INSERT INTO repositories (name, owner) VALUES (?1, ?2) ON CONFLICT DO NOTHING`)
    .bind(name, owner);
}

/** For the batch of a push of a manifest. @param now milliseconds since the epoch */
export function datePush(db: Database, name: RepositoryName, now: number): Statement {
  return db
    .prepare(`UPDATE repositories SET pushed_at = ?2 WHERE name = ?1 AND pushed_at < ?2`)
    .bind(name, now);
}

/**
 * Names of repositories that hold a manifest, in ASCII order.
 * @param after exclusive; it need not exist. Null begins at the first.
 */
export async function listRepositories(
  db: Database,
  after: string | null,
  limit: number,
): Promise<RepositoryName[]> {
  const rows = await db
    .prepare(
      `SELECT name FROM repositories
       WHERE listed = 1 AND name > ?1
       ORDER BY name LIMIT ?2`,
    )
    .bind(after ?? "", limit)
    .all<{ name: RepositoryName }>();
  return rows.map((row) => row.name);
}

/**
 * Names of repositories that a blob is linked in, in ASCII order.
 * @param after exclusive. Null begins at the first.
 */
export async function listRepositoriesWithBlob(
  db: Database,
  digest: string,
  after: number,
  limit: number,
): Promise<{ id: number; name: RepositoryName }[]> {
  return db
    .prepare(
      `SELECT repositories.id, name
       FROM blobs JOIN repository_blobs ON blob_id = blobs.id JOIN repositories ON repositories.id = repository_id
       WHERE digest = ?1 AND repository_id > ?2 ORDER BY repository_id LIMIT ?3`,
    )
    .bind(digest, after, limit)
    .all<{ id: number; name: RepositoryName }>();
}
