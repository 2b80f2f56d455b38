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
 * Deletes doomed objects from R2. Can be repeated: a key that is gone is no error.
 * @param after the key behind which to look
 * @returns how many keys were handed to R2, and the key to go on from; null when that were all
 */
export async function sweepDoomed(
  db: D1Database,
  bucket: R2Bucket,
  after: string | null,
  now: number,
): Promise<{ deleted: number; next: string | null }> {
  const { results } = await db
    .prepare(`SELECT object_key FROM doomed_objects WHERE object_key > ?1 ORDER BY object_key LIMIT ?2`)
    .bind(after ?? "", KEYS_PER_CALL)
    .all<{ object_key: string }>();
  const keys = results.map(({ object_key }) => object_key);
  if (keys.length === 0) return { deleted: 0, next: null };
  await bucket.delete(keys);
  // Only what R2 has confirmed is forgotten.
  await db
    .prepare(
      `DELETE FROM doomed_objects WHERE object_key IN (SELECT value FROM json_each(?1)) AND doomed_at < ?2`,
    )
    .bind(JSON.stringify(keys), now - RECORD_KEPT)
    .run();
  return { deleted: keys.length, next: keys.length < KEYS_PER_CALL ? null : (keys.at(-1) as string) };
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
