/** How the registry stands: what it holds, and when garbage was last collected. */

import type { Database } from "./database.ts";
import type { Whereabouts } from "./whereabouts.ts";

export interface Totals {
  /** Those that hold a manifest. */
  repositories: number;
  manifests: number;
  /** Bytes. */
  manifestBytes: number;
  blobs: number;
  /** Bytes: what the object store holds, each blob once. */
  blobBytes: number;
}

export interface Status {
  totals: Totals;
  /** Upload sessions that are counted. */
  openUploads: number;
  /** See CollectionReport; null before the first. */
  lastCollection: LastCollection | null;
  /** The last that ended well: milliseconds since the epoch; null before the first. */
  lastCollectedAt: number | null;
  schemaVersion: number;
  whereabouts: Whereabouts;
}

/** Of its report, what is kept of a run for ever. */
export interface LastCollection {
  /** Milliseconds since the epoch. */
  startedAt: number;
  /** Milliseconds. */
  duration: number;
  outcome: string;
  error: string | null;
  waiting: { count: number; bytes: number };
}

interface StatusRow {
  repositories: number;
  manifests: number;
  manifest_bytes: number;
  blobs: number;
  blob_bytes: number;
  open_uploads: number;
  last_report: string | null;
  last_collected_at: number | null;
  schema_version: number;
  store: string | null;
  old_store: string | null;
}

/**
 * Reads it all in one statement, which reads a row for each open upload and few others.
 * @param since uploads that were last counted before do not count, see open-uploads.ts
 * @param maxUploads how many there may be
 * @throws Unavailable
 */
export async function readStatus(db: Database, since: number, maxUploads: number): Promise<Status> {
  const row = await db
    .prepare(
      `SELECT repositories, manifests, manifest_bytes, blobs, blob_bytes,
         (SELECT count(*) FROM (SELECT 1 FROM open_uploads WHERE started_at > ?1 LIMIT ?2) AS listed) AS open_uploads,
         (SELECT report FROM gc_runs WHERE started_at > 0 ORDER BY started_at DESC LIMIT 1) AS last_report,
         (SELECT started_at FROM gc_runs WHERE started_at > 0 AND report ->> 'outcome' <> 'failed'
          ORDER BY started_at DESC LIMIT 1) AS last_collected_at,
         schema_version, store, old_store
       FROM totals JOIN registry ON registry.id = 1 WHERE totals.id = 1`,
    )
    .bind(since, maxUploads)
    .first<StatusRow>();
  if (row === null) throw new Error("the table totals is empty: its row must not be deleted");
  return {
    totals: {
      repositories: row.repositories,
      manifests: row.manifests,
      manifestBytes: row.manifest_bytes,
      blobs: row.blobs,
      blobBytes: row.blob_bytes,
    },
    openUploads: row.open_uploads,
    lastCollection: row.last_report === null ? null : JSON.parse(row.last_report),
    lastCollectedAt: row.last_collected_at,
    schemaVersion: row.schema_version,
    whereabouts: { store: row.store, old: row.old_store },
  };
}
