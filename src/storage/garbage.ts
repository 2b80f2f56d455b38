/**
 * What collection may take, a page at a time. Each function takes with one statement or one batch, which decides
 * for itself that nothing needs what it takes; with `dry` it only looks, by the same condition.
 */

import type { Digest } from "../oci/digest.ts";
import type { RepositoryName } from "../oci/reference.ts";

/** One thing taken. */
export interface Taken {
  /** Null for what belongs to no repository: blobs, orphans. */
  repository: RepositoryName | null;
  /** Null for a repository, and for an orphan. */
  digest: Digest | null;
  /** Of storage that this frees: 0 for a link. */
  bytes: number;
}

/** Some of the garbage, and where to go on: null when there is no more. */
export interface GarbagePage {
  taken: Taken[];
  next: string | null;
}

interface TakenRow {
  repository: RepositoryName | null;
  digest: Digest | null;
  bytes: number;
}

/** Links that no manifest uses, last used before `cut` (milliseconds since the epoch). */
export async function takeLinks(
  db: D1Database,
  cut: number,
  limit: number,
  dry: boolean,
): Promise<GarbagePage> {
  if (dry) {
    const { results } = await db
      .prepare(
        `SELECT repositories.name AS repository, link.digest, 0 AS bytes
         FROM repository_blobs AS link JOIN repositories ON repositories.id = link.repository_id
         WHERE link.referenced = 0 AND link.used_at < ?1
           AND NOT EXISTS (SELECT 1 FROM manifest_blobs AS reference
                           WHERE reference.repository_id = link.repository_id AND reference.digest = link.digest)
         LIMIT ?2`,
      )
      .bind(cut, limit)
      .all<TakenRow>();
    return { taken: results, next: more(results, limit) };
  }
  const { results } = await db
    .prepare(
      `DELETE FROM repository_blobs WHERE (repository_id, digest) IN (
         SELECT repository_id, digest FROM repository_blobs AS link
         WHERE link.referenced = 0 AND link.used_at < ?1
           AND NOT EXISTS (SELECT 1 FROM manifest_blobs AS reference
                           WHERE reference.repository_id = link.repository_id AND reference.digest = link.digest)
         LIMIT ?2)
       RETURNING (SELECT name FROM repositories WHERE id = repository_id) AS repository, digest, 0 AS bytes`,
    )
    .bind(cut, limit)
    .all<TakenRow>();
  return { taken: results, next: more(results, limit) };
}

/**
 * Blobs that no repository sees, last uploaded before `cut`; a trigger dooms their objects. A dry look counts those
 * too whose last links {@link takeLinks} would take.
 */
export async function takeBlobs(
  db: D1Database,
  cut: number,
  limit: number,
  dry: boolean,
): Promise<GarbagePage> {
  if (dry) {
    const { results } = await db
      .prepare(
        `SELECT NULL AS repository, digest, size AS bytes FROM blobs WHERE linked = 0 AND used_at < ?1
         UNION
         SELECT NULL, blobs.digest, blobs.size
         FROM repository_blobs AS link JOIN blobs ON blobs.digest = link.digest
         WHERE link.referenced = 0 AND link.used_at < ?1 AND blobs.used_at < ?1
           AND NOT EXISTS (SELECT 1 FROM repository_blobs AS other
                           WHERE other.digest = link.digest AND (other.referenced = 1 OR other.used_at >= ?1))
         LIMIT ?2`,
      )
      .bind(cut, limit)
      .all<TakenRow>();
    return { taken: results, next: more(results, limit) };
  }
  const { results } = await db
    .prepare(
      `DELETE FROM blobs WHERE digest IN (
         SELECT digest FROM blobs
         WHERE linked = 0 AND used_at < ?1
           AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_blobs.digest = blobs.digest)
         LIMIT ?2)
       RETURNING NULL AS repository, digest, size AS bytes`,
    )
    .bind(cut, limit)
    .all<TakenRow>();
  return { taken: results, next: more(results, limit) };
}

/** Repositories that hold nothing any more. @param after the id behind which to look, as text */
export async function takeRepositories(
  db: D1Database,
  after: string | null,
  limit: number,
  dry: boolean,
): Promise<GarbagePage> {
  const { results } = await db
    .prepare(
      `SELECT id, name,
              EXISTS (SELECT 1 FROM repository_blobs WHERE repository_id = repositories.id)
                OR EXISTS (SELECT 1 FROM manifests WHERE repository_id = repositories.id) AS held
       FROM repositories WHERE id > ?1 ORDER BY id LIMIT ?2`,
    )
    .bind(Number(after ?? 0), limit)
    .all<{ id: number; name: RepositoryName; held: 0 | 1 }>();
  const next = results.length < limit ? null : String(results.at(-1)?.id);
  const empty = results.filter(({ held }) => held === 0);
  if (dry || empty.length === 0) return { taken: empty.map(asTaken), next };
  const deleted = await db
    .prepare(
      `DELETE FROM repositories
       WHERE id IN (SELECT value FROM json_each(?1))
         AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_id = repositories.id)
         AND NOT EXISTS (SELECT 1 FROM manifests WHERE repository_id = repositories.id)
       RETURNING name`,
    )
    .bind(JSON.stringify(empty.map(({ id }) => id)))
    .all<{ name: RepositoryName }>();
  return { taken: deleted.results.map(asTaken), next };
}

function asTaken({ name }: { name: RepositoryName }): Taken {
  return { repository: name, digest: null, bytes: 0 };
}

/** A full page may have another behind it, which begins where this one did: what was taken is gone. */
function more(taken: unknown[], limit: number): string | null {
  return taken.length < limit ? null : "";
}
