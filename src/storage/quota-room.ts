/**
 * The room that quotas leave. It is looked at before bytes are taken in, as a courtesy; what decides is the trigger
 * that refuses the statement which would go beyond a quota, and that is told here as an outcome.
 */

import { log } from "../log.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { type Database, isOverQuota } from "./database.ts";
import { type Addition, type QuotaUse, selectTightest, type TightestRow } from "./quotas.ts";
import { Unavailable } from "./retry.ts";

/** A quota leaves no room for it. What was to be added is nowhere. */
export interface OverQuota {
  kind: "over-quota";
  quota: QuotaUse;
}

/** How often a statement is tried again that was refused, while room has come meanwhile. */
const MAX_TRIES = 5;

/** How long what nothing uses is still safe after a refusal. Milliseconds. */
const REST = 60 * 60 * 1000;

/** @param bytes how many would be added @returns null when there is room for them */
export function exceededBy(tightest: TightestRow | null, bytes: number): OverQuota | null {
  if (tightest === null || bytes === 0) return null;
  const { quota, used, allowed } = tightest;
  return used + bytes > allowed ? { kind: "over-quota", quota: { quota, used, allowed } } : null;
}

/**
 * Whether a quota leaves no room for an addition.
 * @param bytes null: as many as the blob has, which is there already
 * @throws Unavailable
 */
export async function findOverQuota(
  db: Database,
  addition: Addition,
  bytes: number | null,
): Promise<OverQuota | null> {
  const tightest = await selectTightest(db, addition).first<TightestRow>();
  return exceededBy(tightest, bytes ?? tightest?.size ?? 0);
}

/**
 * Does what a quota may refuse.
 * @param bytes as in {@link findOverQuota}
 * @param attempt is made again when it was refused and room has come meanwhile
 */
export async function withinQuota<T>(
  db: Database,
  addition: Addition,
  bytes: number | null,
  attempt: () => Promise<T>,
): Promise<T | OverQuota> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isOverQuota(error)) throw error;
      const exceeded = await findOverQuota(db, addition, bytes);
      if (exceeded !== null) return exceeded;
      if (tries === MAX_TRIES) throw error;
    }
  }
}

/**
 * After a refusal: what the same push had brought before is of no use, and takes room. Links of the repository that
 * no manifest uses are safe for an hour more, which is time for another push to go on.
 */
export async function releaseUnreferenced(
  db: Database,
  repository: RepositoryName,
  gracePeriod: number,
  now: number,
): Promise<void> {
  const usedAt = now - gracePeriod + REST;
  try {
    await db
      .prepare(
        `UPDATE repository_blobs INDEXED BY repository_blobs_unreferenced SET used_at = ?2
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND referenced = 0
           AND used_at BETWEEN ?2 + 1 AND ?3`,
      )
      .bind(repository, usedAt, now)
      .all();
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    // They go a grace period later.
    log("links-not-released", { repository, error }, "warn");
  }
}
