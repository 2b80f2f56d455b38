/** Referrers: the manifests of a repository that name another one as their subject. */

import type { Digest } from "../oci/digest.ts";
import { parseManifest } from "../oci/manifest.ts";
import type { RepositoryName } from "../oci/reference.ts";
import type { Database } from "./database.ts";
import { getManifest } from "./manifests.ts";
import type { Stores } from "./stores.ts";

/** A descriptor as the image specification writes it. */
export interface ReferrerDescriptor {
  mediaType: string;
  digest: Digest;
  /** Bytes. */
  size: number;
  artifactType?: string;
  annotations?: Record<string, string>;
}

interface ReferrerRow {
  digest: Digest;
  media_type: string;
  size: number;
  artifact_type: string | null;
  /** JSON; null when too large to be kept here. */
  annotations: string | null;
}

/** How many manifests a page may look into for annotations that are too large for a row; each is a query. */
const MAX_LOOKUPS = 50;

export interface ReferrersPage {
  descriptors: ReferrerDescriptor[];
  /** Whether more follow the last one. */
  more: boolean;
}

/**
 * The referrers of `subject` in the order of their digests.
 * @param artifactType lists only those of this type; null lists all
 * @param after exclusive. Null begins at the first.
 * @param maxBytes of JSON, at which the page ends. A page has one descriptor at least when there is any.
 */
export async function listReferrers(
  stores: Stores,
  repository: RepositoryName,
  subject: Digest,
  { artifactType, after, limit, maxBytes }: ReferrersQuery,
): Promise<ReferrersPage> {
  const rows = await findReferrers(stores.db, repository, subject, artifactType, after ?? "", limit + 1);
  const descriptors: ReferrerDescriptor[] = [];
  let bytes = 0;
  let lookups = 0;
  for (const row of rows.slice(0, limit)) {
    if (row.annotations === null && ++lookups > MAX_LOOKUPS) return { descriptors, more: true };
    const annotations = await annotationsOf(stores, repository, row);
    // Deleted since the rows were read.
    if (annotations === null) continue;
    const descriptor = describe(row, annotations);
    bytes += new TextEncoder().encode(JSON.stringify(descriptor)).byteLength;
    if (bytes > maxBytes && descriptors.length > 0) return { descriptors, more: true };
    descriptors.push(descriptor);
  }
  return { descriptors, more: rows.length > limit };
}

export interface ReferrersQuery {
  artifactType: string | null;
  after: string | null;
  limit: number;
  maxBytes: number;
}

async function findReferrers(
  db: Database,
  repository: RepositoryName,
  subject: Digest,
  artifactType: string | null,
  after: string,
  limit: number,
): Promise<ReferrerRow[]> {
  const statement =
    artifactType === null
      ? db
          .prepare(
            `SELECT digest, media_type, size, artifact_type, annotations FROM manifests
             WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND subject = ?2 AND digest > ?3
             ORDER BY digest LIMIT ?4`,
          )
          .bind(repository, subject, after, limit)
      : db
          .prepare(
            `SELECT digest, media_type, size, artifact_type, annotations FROM manifests
             WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND subject = ?2
               AND artifact_type = ?5 AND digest > ?3
             ORDER BY digest LIMIT ?4`,
          )
          .bind(repository, subject, after, limit, artifactType);
  return statement.all<ReferrerRow>();
}

async function annotationsOf(
  stores: Stores,
  repository: RepositoryName,
  row: ReferrerRow,
): Promise<Record<string, string> | null> {
  if (row.annotations !== null) return JSON.parse(row.annotations);
  const stored = await getManifest(stores, repository, row.digest, false);
  if (stored === null) return null;
  const text =
    typeof stored.content === "string" ? stored.content : await new Response(stored.content).text();
  return parseManifest(text, stored.mediaType).annotations;
}

function describe(row: ReferrerRow, annotations: Record<string, string>): ReferrerDescriptor {
  return {
    mediaType: row.media_type,
    digest: row.digest,
    size: row.size,
    ...(row.artifact_type === null ? {} : { artifactType: row.artifact_type }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}
