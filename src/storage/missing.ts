/**
 * Objects that have gone from under their rows: deleted by hand, by a lifecycle rule, or since the day that the
 * database was restored to. Their rows are marked, so that HEAD and GET say 404 and clients push again; that push
 * brings the object back (blob-push.ts, manifest-push.ts), and so does a scrub.
 */

import { log } from "../log.ts";
import type { Digest } from "../oci/digest.ts";
import type { Database } from "./database.ts";

export interface MissingObject {
  kind: "blob" | "manifest";
  digest: Digest;
  /** The object's key. */
  key: string;
}

/**
 * Marks the row that names a missing object, and says so in the log when nobody has before.
 * @returns false when no row names it any more: a push has replaced it, or a collection has taken it
 */
export async function noteMissing(db: Database, { kind, digest, key }: MissingObject): Promise<boolean> {
  const now = Date.now();
  const statement =
    kind === "blob"
      ? db.prepare(
          `UPDATE blobs SET missing_at = coalesce(missing_at, ?2) WHERE object_key = ?1 RETURNING missing_at`,
        )
      : db.prepare(
          `UPDATE manifests SET missing_at = coalesce(missing_at, ?2) WHERE object_key = ?1 RETURNING missing_at`,
        );
  const row = await statement.bind(key, now).first<{ missing_at: number }>();
  if (row?.missing_at === now) log("object-missing", { kind, digest, key }, "error");
  return row !== null;
}
