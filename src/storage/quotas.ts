/** The table of quotas. The sums beside it are kept by triggers: see the migration that makes it. */

import type { Digest } from "../oci/digest.ts";
import { type Quota, type QuotaScope, splitGlob } from "../oci/quotas.ts";
import type { RepositoryName } from "../oci/reference.ts";
import type { Actor } from "./audit.ts";
import type { Database, Statement } from "./database.ts";
import { noteQuota } from "./quota-events.ts";

/**
 * Whether a quota covers a repository, which need not exist: a trigger asks the same of each new one. No `*` of GLOB
 * matches a name that has more slashes than its pattern; '~' sorts behind whatever a name can have.
 */
const COVERS = `target.name BETWEEN quotas.prefix AND quotas.prefix || '~' AND (quotas.kind = 'owner' AND target.owner = quotas.pattern OR quotas.kind = 'repositories' AND substr(target.name, length(quotas.prefix) + 1) GLOB quotas.glob AND (quotas.slashes IS NULL OR quotas.slashes = length(target.name) - length(replace(target.name, '/', ''))))`;

/** What may be added to a repository. */
export interface Addition {
  repository: RepositoryName;
  /** Who adds it, and so would own the repository if it is not there yet; null for nobody who is known. */
  owner: string | null;
  /** Null when it is not known. */
  digest: Digest | null;
}

/** How a quota stands. */
export interface QuotaUse {
  /** Its name. */
  quota: string;
  /** Bytes. */
  used: number;
  /** Bytes. */
  allowed: number;
}

export interface TightestRow extends QuotaUse {
  /** Of the blob that is to be added, when there is one of this digest. Bytes. */
  size: number | null;
}

/**
 * Of the quotas that the addition would count for, the one with the least room: no row when there is none, or when
 * each counts this digest already. For a batch.
 */
export function selectTightest(db: Database, { repository, owner, digest }: Addition): Statement {
  return db
    .prepare(
      `SELECT quotas.name AS quota, used, allowed, (SELECT size FROM blobs WHERE digest = ?3) AS size
       FROM (SELECT ?1 AS name, ?2 AS owner WHERE NOT EXISTS (SELECT 1 FROM repositories WHERE name = ?1)
             UNION ALL SELECT name, owner FROM repositories WHERE name = ?1) AS target
       JOIN quotas ON ${COVERS}
       WHERE NOT EXISTS (SELECT 1 FROM quota_bytes WHERE quota_id = quotas.id AND quota_bytes.digest = ?3)
       ORDER BY allowed - used LIMIT 1`,
    )
    .bind(repository, owner, digest);
}

/** As it is listed. */
export type ListedQuota = Quota & {
  name: string;
  /** Bytes. */
  used: number;
  /** Milliseconds since the epoch. */
  updatedAt: number;
};

interface QuotaRow {
  name: string;
  kind: "repositories" | "owner";
  pattern: string;
  allowed: number;
  used: number;
  updated_at: number;
}

/** In the order of their names. */
export async function listQuotas(db: Database): Promise<ListedQuota[]> {
  const rows = await db
    .prepare(
      `SELECT name, kind, pattern, allowed, used, updated_at FROM quotas WHERE name > '' ORDER BY name LIMIT 100`,
    )
    .all<QuotaRow>();
  return rows.map(({ name, kind, pattern, allowed, used, updated_at: updatedAt }) => {
    const scope: QuotaScope = kind === "owner" ? { owner: pattern } : { repositories: pattern };
    return { name, ...scope, allowed, used, updatedAt };
  });
}

/**
 * Sets a quota, in the place of one of the same name, and counts what it covers: all in one batch. It may be less
 * than what is there.
 * @returns how many bytes are used; null when there are 100 other quotas
 */
export async function putQuota(
  db: Database,
  name: string,
  quota: Quota,
  by: Actor,
  now: number,
): Promise<number | null> {
  const results = await db.batch<{ used: number }>([
    upsertQuota(db, name, quota, now),
    db
      .prepare(`DELETE FROM quota_repositories WHERE quota_id = (SELECT id FROM quotas WHERE name = ?1)`)
      .bind(name),
    db.prepare(`DELETE FROM quota_bytes WHERE quota_id = (SELECT id FROM quotas WHERE name = ?1)`).bind(name),
    db
      .prepare(
        `INSERT INTO quota_repositories (repository_id, quota_id)
         SELECT target.id, quotas.id FROM quotas JOIN repositories AS target ON ${COVERS} WHERE quotas.name = ?1`,
      )
      .bind(name),
    countBytes(db, name),
    db
      .prepare(
        `UPDATE quotas SET used = (SELECT coalesce(sum(size), 0) FROM quota_bytes WHERE quota_id = quotas.id)
         WHERE name = ?1 RETURNING used`,
      )
      .bind(name),
    noteQuota(db, by, name, "set-quota", now),
  ]);
  return results.at(-2)?.[0]?.used ?? null;
}

function upsertQuota(db: Database, name: string, quota: Quota, now: number): Statement {
  const [kind, pattern] = "owner" in quota ? ["owner", quota.owner] : ["repositories", quota.repositories];
  const split = "owner" in quota ? { prefix: "", glob: "", slashes: null } : splitGlob(pattern as string);
  if (typeof split === "string") throw new TypeError(`a quota that was not parsed: ${split}`);
  return db
    .prepare(
      `INSERT INTO quotas (name, kind, pattern, prefix, glob, slashes, allowed, used, updated_at)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, ?8
       WHERE EXISTS (SELECT 1 FROM quotas WHERE name = ?1)
          OR (SELECT name FROM quotas WHERE name > '' LIMIT 1 OFFSET 99) IS NULL
       ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, pattern = excluded.pattern, prefix = excluded.prefix,
         glob = excluded.glob, slashes = excluded.slashes, allowed = excluded.allowed, used = NULL,
         updated_at = excluded.updated_at`,
    )
    .bind(name, kind, pattern, split.prefix, split.glob, split.slashes, quota.allowed, now);
}

/** All that its repositories hold. */
function countBytes(db: Database, name: string): Statement {
  return db
    .prepare(
      `WITH covered AS (SELECT quota_id, repository_id FROM quota_repositories
                        WHERE quota_id = (SELECT id FROM quotas WHERE name = ?1))
       INSERT INTO quota_bytes (quota_id, digest, size, links)
       SELECT quota_id, digest, max(size), count(*)
       FROM (SELECT quota_id, blobs.digest, blobs.size FROM covered
             JOIN repository_blobs AS link ON link.repository_id = covered.repository_id
             JOIN blobs ON blobs.id = link.blob_id
             UNION ALL
             SELECT quota_id, manifests.digest, manifests.size FROM covered
             JOIN manifests ON manifests.repository_id = covered.repository_id) AS held
       GROUP BY quota_id, digest`,
    )
    .bind(name);
}

/** @returns false when there was none of this name */
export async function deleteQuota(db: Database, name: string, by: Actor, now: number): Promise<boolean> {
  const { results, repeated } = await db.change([
    noteQuota(db, by, name, "remove-quota", now),
    db.prepare(`DELETE FROM quotas WHERE name = ?1 RETURNING 1`).bind(name),
  ]);
  return results.at(-1)?.length === 1 || repeated;
}
