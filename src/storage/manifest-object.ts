/** The object of a manifest that is too large for a row: one of two that came is kept. */

import { log } from "../log.ts";
import { dropObject } from "./blob-push.ts";
import type { Database } from "./database.ts";
import type { Stores } from "./stores.ts";

export interface StoredRow {
  id: number;
  /** R2 key of the bytes; null when they are in the row. */
  object_key: string | null;
  missing_at: number | null;
}

/**
 * The same manifest had been pushed before: it keeps its object, unless that is missing. Then the new one takes its
 * place.
 */
export async function keepOneObject(
  { db, objects }: Stores,
  { id, object_key: old, missing_at: missingAt }: StoredRow,
  key: string,
  size: number,
): Promise<void> {
  if (old === null || (missingAt === null && (await objects.head(old))?.size === size)) {
    return dropObject(objects, key);
  }
  log("object-replaced", { manifest: id, key: old, by: key }, "warn");
  const replaced = await replaceManifestObject(db, id, old, key);
  // Another push was faster.
  if (!replaced) await dropObject(objects, key);
}

/**
 * Puts an object that holds a manifest's verified bytes in the place of one that is missing or broken.
 * @param id of the manifest's row
 * @returns false when the row does not name `old` any more
 */
export async function replaceManifestObject(
  db: Database,
  id: number,
  old: string,
  key: string,
): Promise<boolean> {
  const { rows, repeated } = await db
    .prepare(
      `UPDATE manifests SET object_key = ?1, missing_at = NULL WHERE id = ?2 AND object_key = ?3
         AND NOT EXISTS (SELECT 1 FROM doomed_objects WHERE object_key = ?1) RETURNING 1`,
    )
    .bind(key, id, old)
    .change();
  if (rows.length > 0 || !repeated) return rows.length > 0;
  const row = await db.prepare(`SELECT object_key FROM manifests WHERE id = ?1`).bind(id).first<StoredRow>();
  return row?.object_key === key;
}
