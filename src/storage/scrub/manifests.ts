/** All manifests, in the order of their rows: those in rows are hashed again, and those that are objects. */

import { algorithmOf, type Digest, digestOf } from "../../oci/digest.ts";
import type { RepositoryName } from "../../oci/reference.ts";
import type { Database } from "../database.ts";
import type { Stores } from "../stores.ts";
import type { Checked, Finding } from "./findings.ts";
import { checkNamed, type Look, type NamingRow } from "./named-object.ts";
import { endOf, type Walk } from "./walk.ts";

interface ManifestRow {
  id: number;
  repository: RepositoryName;
  digest: Digest;
  /** Bytes. */
  size: number;
  /** Null when the bytes are in the row. */
  object_key: string | null;
  missing_at: number | null;
}

/** @param look at one that is an object, and heal it; those in rows are left alone then */
export function manifests(stores: Stores, look: Look | null = null): Walk {
  return {
    async list(after, limit) {
      // Without the bytes, which may be a megabyte each.
      const rows = await stores.db
        .prepare(
          `SELECT manifests.id, repositories.name AS repository, digest, size, object_key, missing_at
           FROM manifests JOIN repositories ON repositories.id = manifests.repository_id
           WHERE manifests.id > ?1 ORDER BY manifests.id LIMIT ?2`,
        )
        .bind(Number(after ?? 0), limit)
        .all<ManifestRow>();
      const items = rows.map((row) => ({
        position: String(row.id),
        bytes: row.size,
        check: () => check(stores, row, look),
      }));
      return { items, end: endOf(items, limit) };
    },
  };
}

async function check(stores: Stores, row: ManifestRow, look: Look | null): Promise<Checked> {
  const { id, repository, digest, size, object_key: key } = row;
  if (key === null) return look === null ? checkInline(stores.db, row) : { bytes: 0, findings: [] };
  const missing = row.missing_at !== null;
  const named = { kind: "manifest", digest, key, size, missing, where: `in ${repository}: ` } as const;
  return (look ?? checkNamed)(stores, named, rowOf(stores.db, id, key));
}

/**
 * As checkNamed in named-object.ts, for bytes that are in the row. They cannot be put aside: the row is marked as
 * missing, so that nobody is served them, and a push of the manifest writes the right ones in their place.
 */
async function checkInline(db: Database, row: ManifestRow): Promise<Checked> {
  const { id, repository, digest, size } = row;
  const stored = await db
    .prepare(`SELECT content FROM manifests WHERE id = ?1 AND digest = ?2 AND content IS NOT NULL`)
    .bind(id, digest)
    .first<{ content: string }>();
  // Deleted since it was listed.
  if (stored === null) return { bytes: 0, findings: [] };
  const bytes = new TextEncoder().encode(stored.content);
  const actual = digestOf(bytes, algorithmOf(digest));
  const checked = (finding: Finding | null): Checked => {
    return { bytes: bytes.byteLength, findings: finding === null ? [] : [finding] };
  };
  if (actual !== digest) {
    const marked = await markInline(db, row, stored.content);
    const detail = `in ${repository}: ${bytes.byteLength} bytes in its row that hash to ${actual}`;
    return checked(
      marked ? { outcome: "quarantined", kind: "manifest", digest, objectKey: null, detail } : null,
    );
  }
  if (bytes.byteLength === size && row.missing_at === null) return checked(null);
  const corrected = await correctInline(db, row, stored.content, bytes.byteLength);
  const what =
    bytes.byteLength === size ? "its bytes are right" : `its size is ${bytes.byteLength}, not ${size}`;
  const detail = `in ${repository}: ${what}`;
  return checked(corrected ? { outcome: "healed", kind: "manifest", digest, detail } : null);
}

/** A row is another manifest's once its id is given again. */
type Row = Pick<ManifestRow, "id" | "digest">;

/** The bytes are the guard: a push may have written the right ones since. */
async function markInline(db: Database, { id, digest }: Row, content: string): Promise<boolean> {
  const marked = await db
    .prepare(
      `UPDATE manifests SET missing_at = coalesce(missing_at, ?3)
       WHERE id = ?1 AND digest = ?4 AND content = ?2 RETURNING 1`,
    )
    .bind(id, content, Date.now(), digest)
    .first();
  return marked !== null;
}

async function correctInline(
  db: Database,
  { id, digest }: Row,
  content: string,
  size: number,
): Promise<boolean> {
  const corrected = await db
    .prepare(
      `UPDATE manifests SET size = ?3, missing_at = NULL
       WHERE id = ?1 AND digest = ?4 AND content = ?2 RETURNING 1`,
    )
    .bind(id, content, size, digest)
    .first();
  return corrected !== null;
}

function rowOf(db: Database, id: number, key: string): NamingRow {
  return {
    async correct(size) {
      const [rows] = await db.batch([
        db
          .prepare(
            `UPDATE manifests SET size = ?3, missing_at = NULL WHERE id = ?1 AND object_key = ?2 RETURNING 1`,
          )
          .bind(id, key, size),
        db.prepare(`DELETE FROM quarantined_objects WHERE object_key = ?1`).bind(key),
      ]);
      return (rows?.length ?? 0) > 0;
    },

    async quarantine() {
      const now = Date.now();
      const [rows] = await db.batch([
        db
          .prepare(
            `UPDATE manifests SET missing_at = coalesce(missing_at, ?3) WHERE id = ?1 AND object_key = ?2
             RETURNING 1`,
          )
          .bind(id, key, now),
        db
          .prepare(
            `INSERT INTO quarantined_objects (object_key, digest, found_at)
             SELECT object_key, digest, ?3 FROM manifests WHERE id = ?1 AND object_key = ?2
             ON CONFLICT DO NOTHING`,
          )
          .bind(id, key, now),
      ]);
      return (rows?.length ?? 0) > 0;
    },
  };
}
