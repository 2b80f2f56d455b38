/**
 * Manifests that cannot be pulled whole, each once, told after everything else: what was healed is not among them.
 * Nothing is read but rows.
 */

import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName, Tag } from "../../oci/reference.ts";
import type { Database } from "../database.ts";
import type { Checked } from "./findings.ts";
import type { Walk } from "./walk.ts";

/** Manifests that are looked at in one statement. */
const AT_ONCE = 500;

/** And so many bytes of them, as one may name thousands of blobs. */
const BYTES_AT_ONCE = 4 * 1024 * 1024;

/** A list of tags, or of what is missing, is no longer. */
const MAX_LISTED = 1000;

interface SizeRow {
  id: number;
  /** Bytes. */
  size: number;
}

interface DamagedRow {
  id: number;
  repository: RepositoryName;
  digest: Digest;
}

/** @param sparse whether an index may name manifests that are not here */
export function damage(db: Database, sparse: boolean): Walk {
  return {
    async list(after) {
      const first = Number(after ?? 0);
      const { last, end } = await cutPage(db, first);
      const rows = await db
        .prepare(
          `SELECT manifests.id, repositories.name AS repository, manifests.digest
           FROM manifests JOIN repositories ON repositories.id = manifests.repository_id
           WHERE manifests.id > ?1 AND manifests.id <= ?2
             AND (manifests.missing_at IS NOT NULL
               OR EXISTS (SELECT 1 FROM manifest_blobs AS named JOIN blobs ON blobs.id = named.blob_id
                          WHERE named.manifest_id = manifests.id AND blobs.missing_at IS NOT NULL)
               OR EXISTS (SELECT 1 FROM index_manifests AS named LEFT JOIN manifests AS found
                            ON found.repository_id = named.repository_id AND found.digest = named.digest
                          WHERE named.index_id = manifests.id
                            AND (found.missing_at IS NOT NULL OR (found.id IS NULL AND ?3 = 0))))
           ORDER BY manifests.id`,
        )
        .bind(first, last, sparse ? 1 : 0)
        .all<DamagedRow>();
      const items = rows.map((row) => ({
        position: String(row.id),
        bytes: 0,
        check: () => describe(db, row, sparse),
      }));
      return { items, end };
    },
  };
}

/** @returns the last id of the page, and where the walk goes on behind it: null when it is through */
async function cutPage(db: Database, first: number): Promise<{ last: number; end: string | null }> {
  const rows = await db
    .prepare(`SELECT id, size FROM manifests WHERE id > ?1 ORDER BY id LIMIT ?2`)
    .bind(first, AT_ONCE)
    .all<SizeRow>();
  let bytes = 0;
  for (const { id, size } of rows) {
    bytes += size;
    if (bytes >= BYTES_AT_ONCE) return { last: id, end: String(id) };
  }
  const last = rows.at(-1)?.id ?? first;
  return { last, end: rows.length < AT_ONCE ? null : String(last) };
}

async function describe(db: Database, row: DamagedRow, sparse: boolean): Promise<Checked> {
  const { id, repository, digest } = row;
  const [missing = [], tags = []] = await db.batch<{ text: string }>([
    db
      .prepare(
        `SELECT digest AS text FROM manifests WHERE id = ?1 AND digest = ?4 AND missing_at IS NOT NULL
         UNION
         SELECT blobs.digest FROM manifests JOIN manifest_blobs ON manifest_id = manifests.id
         JOIN blobs ON blobs.id = blob_id
         WHERE manifests.id = ?1 AND manifests.digest = ?4 AND blobs.missing_at IS NOT NULL
         UNION
         SELECT named.digest FROM manifests JOIN index_manifests AS named ON named.index_id = manifests.id
         LEFT JOIN manifests AS found ON found.repository_id = named.repository_id AND found.digest = named.digest
         WHERE manifests.id = ?1 AND manifests.digest = ?4 AND (found.missing_at IS NOT NULL OR (found.id IS NULL AND ?2 = 0))
         LIMIT ?3`,
      )
      .bind(id, sparse ? 1 : 0, MAX_LISTED, digest),
    db
      .prepare(`SELECT name AS text FROM tags WHERE manifest_id = ?1 ORDER BY name LIMIT ?2`)
      .bind(id, MAX_LISTED),
  ]);
  // Healed by a push, or deleted, since it was found.
  if (missing.length === 0) return { bytes: 0, findings: [] };
  const finding = {
    outcome: "damaged",
    repository,
    digest,
    tags: tags.map(({ text }) => text as Tag),
    missing: missing.map(({ text }) => text as Digest),
  } as const;
  return { bytes: 0, findings: [finding] };
}
