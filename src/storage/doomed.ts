/** R2 objects that nothing names: doomed ones are deleted, orphans of crashes are found and doomed. */

import type { Taken } from "./garbage.ts";

/**
 * How long a doomed key stays on record after its object is gone: as long as the record stands, no commit that
 * is still on its way can make the key a blob (see commitBlob). D1 lets no statement run longer than 30 s.
 * Milliseconds.
 */
const RECORD_KEPT = 60_000;

/** R2 lists and deletes this many keys a call. */
const KEYS_PER_CALL = 1000;

/**
 * Deletes a page of doomed objects from R2. Can be repeated: a key that is gone is no error.
 * @returns how many objects were deleted, and whether more may be left
 */
export async function sweepDoomed(
  db: D1Database,
  bucket: R2Bucket,
): Promise<{ deleted: number; more: boolean }> {
  const { results } = await db
    .prepare(`SELECT object_key FROM doomed_objects WHERE object_key > '' AND deleted_at IS NULL LIMIT ?1`)
    .bind(KEYS_PER_CALL)
    .all<{ object_key: string }>();
  const keys = results.map(({ object_key }) => object_key);
  if (keys.length > 0) await bucket.delete(keys);
  // Only what R2 has confirmed is forgotten, and that only later.
  const now = Date.now();
  await db.batch([
    db
      .prepare(
        `UPDATE doomed_objects SET deleted_at = ?2 WHERE object_key IN (SELECT value FROM json_each(?1))`,
      )
      .bind(JSON.stringify(keys), now),
    db
      .prepare(`DELETE FROM doomed_objects WHERE object_key > '' AND deleted_at < ?1`)
      .bind(now - RECORD_KEPT),
  ]);
  return { deleted: keys.length, more: keys.length === KEYS_PER_CALL };
}

/**
 * Looks at a page of R2 objects, and dooms those older than `cut` (milliseconds since the epoch) that no row
 * names.
 * @param after the key behind which to look
 */
export async function takeOrphans(
  db: D1Database,
  bucket: R2Bucket,
  after: string | null,
  cut: number,
  now: number,
  dry: boolean,
): Promise<{ taken: Taken[]; next: string | null }> {
  const page = await bucket.list({ limit: KEYS_PER_CALL, ...(after === null ? {} : { startAfter: after }) });
  const next = page.truncated ? (page.objects.at(-1)?.key ?? null) : null;
  const sizes = new Map(
    page.objects.filter(({ uploaded }) => uploaded.getTime() < cut).map(({ key, size }) => [key, size]),
  );
  if (sizes.size === 0) return { taken: [], next };
  const keys = JSON.stringify([...sizes.keys()]);
  const statement = dry
    ? db
        .prepare(
          `SELECT value AS object_key FROM json_each(?1)
           WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.object_key = value)
             AND NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.object_key = value)
             AND NOT EXISTS (SELECT 1 FROM doomed_objects WHERE doomed_objects.object_key = value)`,
        )
        .bind(keys)
    : db
        .prepare(
          `INSERT INTO doomed_objects (object_key, doomed_at)
           SELECT value, ?2 FROM json_each(?1)
           WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.object_key = value)
             AND NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.object_key = value)
           ON CONFLICT DO NOTHING RETURNING object_key`,
        )
        .bind(keys, now);
  const { results } = await statement.all<{ object_key: string }>();
  const taken = results.map(({ object_key }) => ({
    repository: null,
    digest: null,
    bytes: sizes.get(object_key) ?? 0,
  }));
  return { taken, next };
}
