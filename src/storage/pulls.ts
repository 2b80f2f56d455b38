/**
 * When what was last pulled, for people who tidy up: collection and policies never ask. A manifest that is pulled often
 * is written once a day, behind the answer.
 */

import type { Digest } from "../oci/digest.ts";
import type { RepositoryName } from "../oci/reference.ts";
import type { Database } from "./database.ts";

/** How exactly it is known. Milliseconds. */
const PERIOD = 86_400_000;

/** Whether a pull at `now` is to be noted. @param pulledAt what was read with the manifest */
export function isPullNews(pulledAt: number | null, now: number): boolean {
  return pulledAt === null || pulledAt <= now - PERIOD;
}

/** Once for all who have read the same: what another one has noted meanwhile stays. @throws Unavailable, DatabaseFull */
export async function notePull(
  db: Database,
  repository: RepositoryName,
  digest: Digest,
  now: number,
): Promise<void> {
  await db
    .prepare(
      `UPDATE manifests SET pulled_at = ?3
       WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2
         AND coalesce(pulled_at, 0) <= ?4`,
    )
    .bind(repository, digest, now, now - PERIOD)
    .all();
}
