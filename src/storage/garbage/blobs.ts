/** Links that no manifest uses, blobs that no repository sees, and repositories that hold nothing. */

import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName } from "../../oci/reference.ts";
import type { Database } from "../database.ts";
import { type Candidate, type Garbage, keyAfter, nextOf, rowsOf, TakenRows } from "./page.ts";

/** ?1 is the cut: last used before. */
const UNUSED_LINK = `link.referenced = 0 AND link.used_at < ?1
  AND NOT EXISTS (SELECT 1 FROM manifest_blobs AS reference
                  WHERE reference.repository_id = link.repository_id AND reference.blob_id = link.blob_id)`;

interface LinkRow {
  repository_id: number;
  repository: RepositoryName;
  blob_id: number;
  digest: Digest;
  used_at: number;
}

/** Links that no manifest uses, unused since `cut` (milliseconds since the epoch). */
export function linksBefore(db: Database, cut: number): Garbage {
  return {
    async find(after, limit) {
      const [usedAt, id, blob] = keyAfter<[number, number, number]>(after, [0, 0, 0]);
      const rows = await db
        .prepare(
          `SELECT link.repository_id, repositories.name AS repository, link.blob_id, blobs.digest, link.used_at
           FROM repository_blobs AS link JOIN repositories ON repositories.id = link.repository_id
             JOIN blobs ON blobs.id = link.blob_id
           WHERE ${UNUSED_LINK} AND (link.used_at, link.repository_id, link.blob_id) > (?2, ?3, ?4)
           ORDER BY link.used_at, link.repository_id, link.blob_id LIMIT ?5`,
        )
        .bind(cut, usedAt, id, blob, limit)
        .all<LinkRow>();
      const candidates = rows.map(({ repository_id, repository, blob_id, digest }) => ({
        ...{ row: [repository_id, blob_id], repository, digest, bytes: 0 },
      }));
      const next = nextOf(rows, limit, (last) => [last.used_at, last.repository_id, last.blob_id]);
      return { candidates, next };
    },

    // A blob that has got the id of one that is gone was linked after the cut.
    async take(candidates) {
      const rows = await db
        .prepare(
          `DELETE FROM repository_blobs AS link
           WHERE (link.repository_id, link.blob_id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))
             AND ${UNUSED_LINK}
           RETURNING repository_id, blob_id`,
        )
        .bind(cut, rowsOf(candidates))
        .all<LinkRow>();
      return new TakenRows(rows.map(({ repository_id, blob_id }) => [repository_id, blob_id]));
    },
  };
}

const UNLINKED_BLOB = `blobs.linked = 0 AND blobs.used_at < ?1
  AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_blobs.blob_id = blobs.id)`;

interface BlobRow {
  digest: Digest;
  /** Bytes. */
  bytes: number;
  used_at: number;
}

/** Blobs that no repository sees, last uploaded before `cut`; a trigger dooms their objects. */
export function blobsBefore(db: Database, cut: number): Garbage {
  return {
    async find(after, limit) {
      const [usedAt, digest] = keyAfter<[number, string]>(after, [0, ""]);
      const rows = await db
        .prepare(
          `SELECT digest, size AS bytes, used_at FROM blobs
           WHERE ${UNLINKED_BLOB} AND (used_at, digest) > (?2, ?3) ORDER BY used_at, digest LIMIT ?4`,
        )
        .bind(cut, usedAt, digest, limit)
        .all<BlobRow>();
      return {
        candidates: rows.map(asCandidate),
        next: nextOf(rows, limit, (last) => [last.used_at, last.digest]),
      };
    },

    async take(candidates) {
      const rows = await db
        .prepare(
          `DELETE FROM blobs WHERE digest IN (SELECT value ->> 0 FROM json_each(?2)) AND ${UNLINKED_BLOB}
           RETURNING digest`,
        )
        .bind(cut, rowsOf(candidates))
        .all<BlobRow>();
      return new TakenRows(rows.map(({ digest }) => [digest]));
    },
  };
}

/** What a dry run says of links. */
export interface Foreseen {
  /** Those that {@link linksBefore} would take. */
  links: Candidate[];
  /** The blobs that would go with them, as these are their last. */
  blobs: Candidate[];
  /** Whether there may be more links. */
  more: boolean;
}

/**
 * For a dry run. Of a blob that thousands of repositories have, each link costs three rows: itself, the name of its
 * repository, and once more as one of the blob's links. The blob itself is read once, however many links name it.
 * @param limit links at most
 */
export async function foreseeLinks(db: Database, cut: number, limit: number): Promise<Foreseen> {
  const rows = await db
    .prepare(
      `SELECT link.repository_id, repositories.name AS repository, link.blob_id
       FROM repository_blobs AS link JOIN repositories ON repositories.id = link.repository_id
       WHERE ${UNUSED_LINK} ORDER BY link.used_at, link.repository_id, link.blob_id LIMIT ?2`,
    )
    .bind(cut, limit)
    .all<LinkRow>();
  const named = await readLinked(db, cut, [...new Set(rows.map(({ blob_id }) => blob_id))]);
  const digests = new Map(named.map(({ id, digest }) => [id, digest]));
  const links = rows.flatMap(({ repository_id, repository, blob_id }) => {
    const digest = digests.get(blob_id);
    // Where the blob has gone meanwhile, the link has as well.
    return digest === undefined ? [] : [{ row: [repository_id, blob_id], repository, digest, bytes: 0 }];
  });
  const blobs = named.filter(({ freed }) => freed === 1).map(asCandidate);
  return { links, blobs, more: rows.length === limit };
}

/** Blobs by their ids, each with whether all its links, and itself, have been unused since `cut`. */
async function readLinked(
  db: Database,
  cut: number,
  ids: number[],
): Promise<(BlobRow & { id: number; freed: 0 | 1 })[]> {
  if (ids.length === 0) return [];
  return db
    .prepare(
      `SELECT blobs.id, blobs.digest, blobs.size AS bytes, blobs.used_at < ?1
         AND NOT EXISTS (SELECT 1 FROM repository_blobs AS other
                         WHERE other.blob_id = blobs.id AND (other.referenced = 1 OR other.used_at >= ?1)) AS freed
       FROM json_each(?2) AS listed JOIN blobs ON blobs.id = listed.value`,
    )
    .bind(cut, JSON.stringify(ids))
    .all();
}

function asCandidate({ digest, bytes }: BlobRow): Candidate {
  return { row: [digest], repository: null, digest, bytes };
}

const EMPTY_REPOSITORY = `repositories.empty = 1
  AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_id = repositories.id)
  AND NOT EXISTS (SELECT 1 FROM manifests WHERE repository_id = repositories.id)`;

/** Repositories that hold nothing any more. */
export function emptyRepositories(db: Database): Garbage {
  return {
    async find(after, limit) {
      const [id] = keyAfter<[number]>(after, [0]);
      const rows = await db
        .prepare(
          `SELECT id, name FROM repositories WHERE ${EMPTY_REPOSITORY} AND id > ?1 ORDER BY id LIMIT ?2`,
        )
        .bind(id, limit)
        .all<{ id: number; name: RepositoryName }>();
      const candidates = rows.map(({ id, name }) => ({
        row: [id],
        repository: name,
        digest: null,
        bytes: 0,
      }));
      return { candidates, next: nextOf(rows, limit, (last) => [last.id]) };
    },

    async take(candidates) {
      const rows = await db
        .prepare(
          `DELETE FROM repositories WHERE id IN (SELECT value ->> 0 FROM json_each(?1)) AND ${EMPTY_REPOSITORY}
           RETURNING id`,
        )
        .bind(rowsOf(candidates))
        .all<{ id: number }>();
      return new TakenRows(rows.map(({ id }) => [id]));
    },
  };
}
