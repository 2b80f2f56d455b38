/** Mounting: a blob that one repository holds becomes another one's too, with no byte sent. */

import type { Digest } from "../oci/digest.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { type Actor, noteMount } from "./audit.ts";
import type { Database, Statement } from "./database.ts";
import { type OverQuota, withinQuota } from "./quota-room.ts";

/**
 * Links a blob of one repository in another (end-11).
 * @returns false when `from` does not hold it, or its object is missing; or the quota that leaves no room for it
 */
export async function mountBlob(
  db: Database,
  digest: Digest,
  from: RepositoryName,
  to: RepositoryName,
  by: Actor,
  now: number,
): Promise<boolean | OverQuota> {
  const mount = () => db.batch(mounting(db, digest, from, to, by, now));
  // As many bytes as it has where it is.
  const results = await withinQuota(db, { repository: to, owner: by.name, digest }, null, mount);
  return "kind" in results ? results : (results[1]?.length ?? 0) > 0;
}

function mounting(
  db: Database,
  digest: Digest,
  from: RepositoryName,
  to: RepositoryName,
  by: Actor,
  now: number,
): Statement[] {
  return [
    db
      .prepare(
        `INSERT INTO repositories (name, owner)
         SELECT ?1, ?4 FROM blobs JOIN repository_blobs AS source ON source.blob_id = blobs.id
         WHERE source.repository_id = (SELECT id FROM repositories WHERE name = ?2) AND blobs.digest = ?3
           AND blobs.missing_at IS NULL
         ON CONFLICT DO NOTHING`,
      )
      .bind(to, from, digest, by.name),
    db
      .prepare(
        `INSERT INTO repository_blobs (repository_id, blob_id, used_at)
         SELECT target.id, blobs.id, ?4
         FROM blobs JOIN repository_blobs AS source ON source.blob_id = blobs.id JOIN repositories AS target ON target.name = ?1
         WHERE source.repository_id = (SELECT id FROM repositories WHERE name = ?2) AND blobs.digest = ?3
           AND blobs.missing_at IS NULL
         ON CONFLICT DO UPDATE SET used_at = excluded.used_at RETURNING 1`,
      )
      .bind(to, from, digest, now),
    noteMount(db, by, digest, from, to, now),
  ];
}
