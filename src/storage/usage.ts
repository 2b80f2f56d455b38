/** Who holds what: what each repository has, in pages that cost the same however large it is. */

import type { RepositoryName } from "../oci/reference.ts";
import type { Database, Statement } from "./database.ts";

/** What a page has read of a repository: all of it, or a part, with the rest on the pages beside it. */
export interface Usage {
  repository: RepositoryName;
  /** Whose push made it; null when that is not known. */
  owner: string | null;
  /** Of blobs and manifests; what other repositories hold as well counts in each. */
  bytes: number;
  blobs: number;
  manifests: number;
  /** When something was last pulled from it, to the day: see pulls.ts. Milliseconds since the epoch; null for no pull that was noted. */
  pulledAt: number | null;
}

/** Behind which link and which manifest a page begins, each by its repository's id: a blob's id, a manifest's digest. */
export type UsageCursor = [linkOf: number, link: number, manifestOf: number, manifest: string];

/** Of the text of a cursor, which is its JSON; null when it is none. */
export function parseUsageCursor(text: string): UsageCursor | null {
  try {
    const json: unknown = JSON.parse(text);
    if (!Array.isArray(json) || json.length !== 4 || typeof json[3] !== "string") return null;
    return json.slice(0, 3).every(Number.isSafeInteger) ? (json as UsageCursor) : null;
  } catch {
    return null;
  }
}

/** What a page has read of one repository's blobs, or manifests. */
interface HeldRow<K> {
  id: number;
  repository: RepositoryName;
  owner: string | null;
  pulledAt: number | null;
  bytes: number;
  count: number;
  /** The last of them. */
  last: K;
}

/**
 * In no order that means anything. What holds nothing is not there.
 * @param limit how many blobs, and how many manifests, are read
 * @returns `next`: where the next page begins; null when there is none
 */
export async function listUsage(
  db: Database,
  after: UsageCursor | null,
  limit: number,
): Promise<{ repositories: Usage[]; next: UsageCursor | null }> {
  const [linkOf, link, manifestOf, manifest] = after ?? [0, 0, 0, ""];
  const [links, manifests] = (await db.batch<unknown>([
    readLinks(db, linkOf, link, limit),
    readManifests(db, manifestOf, manifest, limit),
  ])) as [HeldRow<number>[], HeldRow<string>[]];
  const found = new Map<number, Usage>();
  const usageOf = ({ id, repository, owner, pulledAt }: HeldRow<unknown>): Usage => {
    const nothing = { bytes: 0, blobs: 0, manifests: 0 };
    const usage = found.get(id) ?? { repository, owner, ...nothing, pulledAt };
    found.set(id, usage);
    return usage;
  };
  for (const row of links) {
    const usage = usageOf(row);
    usage.bytes += row.bytes;
    usage.blobs += row.count;
  }
  for (const row of manifests) {
    const usage = usageOf(row);
    usage.bytes += row.bytes;
    usage.manifests += row.count;
  }
  const [lastLink, lastManifest] = [links.at(-1), manifests.at(-1)];
  const next: UsageCursor = [
    ...([lastLink?.id ?? linkOf, lastLink?.last ?? link] as const),
    ...([lastManifest?.id ?? manifestOf, lastManifest?.last ?? manifest] as const),
  ];
  return {
    repositories: [...found.values()],
    next: isFull(links, limit) || isFull(manifests, limit) ? next : null,
  };
}

function isFull(rows: HeldRow<unknown>[], limit: number): boolean {
  return rows.reduce((sum, { count }) => sum + count, 0) === limit;
}

function readLinks(db: Database, id: number, blob: number, limit: number): Statement {
  return db
    .prepare(
      `SELECT repositories.id, repositories.name AS repository, owner, nullif(pulled_at, 0) AS pulledAt, sum(listed.size) AS bytes, count(*) AS count,
              max(listed.blob_id) AS last
       FROM (SELECT link.repository_id, link.blob_id, blobs.size
             FROM repository_blobs AS link JOIN blobs ON blobs.id = link.blob_id
             WHERE (link.repository_id, link.blob_id) > (?1, ?2)
             ORDER BY link.repository_id, link.blob_id LIMIT ?3) AS listed
       JOIN repositories ON repositories.id = listed.repository_id
       GROUP BY repositories.id ORDER BY repositories.id`,
    )
    .bind(id, blob, limit);
}

function readManifests(db: Database, id: number, digest: string, limit: number): Statement {
  return db
    .prepare(
      `SELECT repositories.id, repositories.name AS repository, owner, nullif(pulled_at, 0) AS pulledAt, sum(listed.size) AS bytes, count(*) AS count,
              max(listed.digest) AS last
       FROM (SELECT repository_id, digest, size FROM manifests
             WHERE (repository_id, digest) > (?1, ?2) ORDER BY repository_id, digest LIMIT ?3) AS listed
       JOIN repositories ON repositories.id = listed.repository_id
       GROUP BY repositories.id ORDER BY repositories.id`,
    )
    .bind(id, digest, limit);
}
