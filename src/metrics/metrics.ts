/** What /metrics shows. Names are distribution's where it has the same; the rest begins with berth_. */

import type { Counter } from "../storage/counters.ts";
import type { Status } from "../storage/status.ts";
import type { Standing } from "../storage/whereabouts.ts";
import { gauge, type Metric } from "./exposition.ts";
import { requestMetrics } from "./request-metrics.ts";

export interface Measured {
  status: Status;
  counters: Counter[];
  /** Of the fullest database; null when it did not say. Bytes. */
  databaseBytes: number | null;
  databaseLimit: number;
  readOnly: boolean;
  standing: Standing;
}

/** All metrics, those without a sample too. */
export function metricsOf(measured: Measured): Metric[] {
  const { status, counters, databaseBytes, databaseLimit, readOnly, standing } = measured;
  const { totals, lastCollection } = status;
  const seconds = (milliseconds: number | null | undefined) =>
    milliseconds == null ? null : milliseconds / 1000;
  return [
    gauge("berth_repositories", "Repositories that hold a manifest.", totals.repositories),
    gauge("berth_manifests", "Manifests.", totals.manifests),
    gauge("berth_manifest_bytes", "Bytes of all manifests.", totals.manifestBytes),
    gauge("berth_blobs", "Blobs, each counted once.", totals.blobs),
    gauge("berth_blob_bytes", "Bytes of all blobs, each counted once.", totals.blobBytes),
    gauge("berth_uploads_open", "Upload sessions that have begun and not ended.", status.openUploads),
    gauge("berth_database_bytes", "How large the database is, of several the fullest.", databaseBytes),
    gauge("berth_database_limit_bytes", "How large the database may become.", databaseLimit),
    gauge("berth_read_only", "1 while nothing may be pushed or deleted.", readOnly ? 1 : 0),
    gauge(
      "berth_old_stores",
      "Object stores that may hold something which the one of STORE does not: see berth migrate-store.",
      standing.old.length,
    ),
    gauge(
      "berth_stores_out_of_reach",
      "Object stores that hold something, and that the settings do not name.",
      standing.outOfReach.length,
    ),
    gauge(
      "berth_collection_last_success_timestamp_seconds",
      "When the last garbage collection that did not fail began.",
      seconds(status.lastCollectedAt),
    ),
    gauge(
      "berth_collection_last_failed",
      "1 when the last garbage collection failed.",
      lastCollection === null ? null : Number(lastCollection.outcome === "failed"),
    ),
    gauge(
      "berth_collection_last_duration_seconds",
      "How long the last garbage collection took.",
      seconds(lastCollection?.duration),
    ),
    gauge(
      "berth_doomed_objects",
      "Deleted objects whose bytes are still kept, as the last garbage collection saw them.",
      lastCollection?.waiting.count ?? null,
    ),
    gauge(
      "berth_doomed_bytes",
      "Bytes of deleted objects that are still kept, as the last garbage collection saw them.",
      lastCollection?.waiting.bytes ?? null,
    ),
    ...requestMetrics(counters),
  ];
}
