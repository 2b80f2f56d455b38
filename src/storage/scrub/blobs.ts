/** All blobs, in the order of their digests: every object is read again. */

import type { Digest } from "../../oci/digest.ts";
import type { Database } from "../database.ts";
import type { Stores } from "../stores.ts";
import { checkNamed, type Look, type NamingRow } from "./named-object.ts";
import { endOf, type Walk } from "./walk.ts";

interface BlobRow {
  digest: Digest;
  object_key: string;
  /** Bytes. */
  size: number;
  missing_at: number | null;
}

/** @param look at one, and heal it */
export function blobs(stores: Stores, look: Look = checkNamed): Walk {
  return {
    async list(after, limit) {
      const rows = await stores.db
        .prepare(
          `SELECT digest, object_key, size, missing_at FROM blobs WHERE digest > ?1 ORDER BY digest LIMIT ?2`,
        )
        .bind(after ?? "", limit)
        .all<BlobRow>();
      const items = rows.map((row) => ({
        position: row.digest,
        bytes: row.size,
        check: () => look(stores, namedBy(row), rowOf(stores.db, row)),
      }));
      return { items, end: endOf(items, limit) };
    },
  };
}

function namedBy({ digest, object_key, size, missing_at }: BlobRow) {
  return { kind: "blob", digest, key: object_key, size, missing: missing_at !== null, where: "" } as const;
}

function rowOf(db: Database, { digest, object_key }: BlobRow): NamingRow {
  return {
    async correct(size) {
      const [rows] = await db.batch([
        db
          .prepare(
            `UPDATE blobs SET size = ?3, missing_at = NULL WHERE digest = ?1 AND object_key = ?2 RETURNING 1`,
          )
          .bind(digest, object_key, size),
        // Somebody has put the right bytes in its place.
        db.prepare(`DELETE FROM quarantined_objects WHERE object_key = ?1`).bind(object_key),
      ]);
      return (rows?.length ?? 0) > 0;
    },

    async quarantine() {
      const now = Date.now();
      const [rows] = await db.batch([
        db
          .prepare(
            `UPDATE blobs SET missing_at = coalesce(missing_at, ?3) WHERE digest = ?1 AND object_key = ?2
             RETURNING 1`,
          )
          .bind(digest, object_key, now),
        db
          .prepare(
            `INSERT INTO quarantined_objects (object_key, digest, found_at)
             SELECT object_key, digest, ?3 FROM blobs WHERE digest = ?1 AND object_key = ?2
             ON CONFLICT DO NOTHING`,
          )
          .bind(digest, object_key, now),
      ]);
      return (rows?.length ?? 0) > 0;
    },
  };
}
