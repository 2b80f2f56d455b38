/** Repositories in the order of what they are, the most first: people look for the largest, or the latest. */

import type { RepositoryName } from "../../oci/reference.ts";
import type { Database, Statement } from "../database.ts";

export interface Ranked {
  id: number;
  name: RepositoryName;
  /** Bytes, or milliseconds since the epoch, 0 for never. */
  value: number;
}

/** Each by an index of its own: see migrations/0012_repository_order.sql. */
const SELECTS = {
  size: (db: Database) =>
    db.prepare(
      `SELECT id, name, bytes AS value FROM repositories
       WHERE listed = 1 AND (bytes, id) < (?1, ?2) ORDER BY bytes DESC, id DESC LIMIT ?3`,
    ),
  push: (db: Database) =>
    db.prepare(
      `SELECT id, name, pushed_at AS value FROM repositories
       WHERE listed = 1 AND (pushed_at, id) < (?1, ?2) ORDER BY pushed_at DESC, id DESC LIMIT ?3`,
    ),
  pull: (db: Database) =>
    db.prepare(
      `SELECT id, name, pulled_at AS value FROM repositories
       WHERE listed = 1 AND (pulled_at, id) < (?1, ?2) ORDER BY pulled_at DESC, id DESC LIMIT ?3`,
    ),
} satisfies Record<string, (db: Database) => Statement>;

export type Ranking = keyof typeof SELECTS;

/**
 * Repositories that hold a manifest, those of the highest value first, and of the same value the youngest.
 * @param below exclusive: the value and the id of one that need not exist
 */
export async function listRanked(
  db: Database,
  ranking: Ranking,
  below: Pick<Ranked, "value" | "id">,
  limit: number,
): Promise<Ranked[]> {
  return SELECTS[ranking](db).bind(below.value, below.id, limit).all<Ranked>();
}
