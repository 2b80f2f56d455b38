/** How all databases stand, each and together. */

import type { Database } from "../database.ts";
import { readStatus, type Status } from "../status.ts";
import { allDatabases, allStores, type StoresEnv } from "../stores.ts";
import { listUsageDays, type UsageDay } from "../usage-days.ts";

export interface DatabaseStatus {
  /** Its binding. */
  name: string;
  /** Null when it did not say. Bytes. */
  bytes: number | null;
  found: Status;
}

export interface WholeStatus {
  /** The main one first. */
  databases: DatabaseStatus[];
  /**
   * Of all together: totals and uploads are sums, and what says how a database stands is said of the one that stands
   * worst. What several databases have, as a blob, is counted in each.
   */
  whole: Status;
  fullest: DatabaseStatus;
}

/** @param since and `maxUploads` as `readStatus` has them @throws Unavailable */
export async function readWholeStatus(
  env: StoresEnv,
  since: number,
  maxUploads: number,
): Promise<WholeStatus> {
  const read = async (name: string, db: Database): Promise<DatabaseStatus> => {
    const found = await readStatus(db, since, maxUploads);
    return { name, found, bytes: db.size };
  };
  const databases = await Promise.all(allStores(env).map(({ name, db }) => read(name, db)));
  return {
    databases,
    whole: databases.map(({ found }) => found).reduce(together),
    fullest: databases.reduce((most, one) => ((one.bytes ?? 0) > (most.bytes ?? 0) ? one : most)),
  };
}

function together(one: Status, other: Status): Status {
  const sum = (count: keyof Status["totals"]) => one.totals[count] + other.totals[count];
  const worse = (one.lastCollectedAt ?? 0) <= (other.lastCollectedAt ?? 0) ? one : other;
  return {
    totals: {
      repositories: sum("repositories"),
      manifests: sum("manifests"),
      manifestBytes: sum("manifestBytes"),
      blobs: sum("blobs"),
      blobBytes: sum("blobBytes"),
    },
    openUploads: one.openUploads + other.openUploads,
    lastCollection: worse.lastCollection,
    lastCollectedAt: worse.lastCollectedAt,
    whereabouts: one.whereabouts,
    schemaVersion: Math.min(one.schemaVersion, other.schemaVersion),
  };
}

/** As `listUsageDays` of one database, added up: a database counts as it stood when it was last known. */
export async function listAllUsageDays(env: StoresEnv, limit: number): Promise<UsageDay[]> {
  const lists = await Promise.all(allDatabases(env).map((db) => listUsageDays(db, limit)));
  const days = [...new Set(lists.flat().map(({ at }) => at))].sort((one, other) => one - other).slice(-limit);
  return days.map((at) =>
    lists
      .flatMap((list) => list.findLast((day) => day.at <= at) ?? [])
      .reduce(
        (sum, day) => ({
          at,
          repositories: sum.repositories + day.repositories,
          manifests: sum.manifests + day.manifests,
          blobs: sum.blobs + day.blobs,
          bytes: sum.bytes + day.bytes,
        }),
        { at, repositories: 0, manifests: 0, blobs: 0, bytes: 0 },
      ),
  );
}
