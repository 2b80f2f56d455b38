/** Whether the database's own sums are right. */

import { env } from "cloudflare:workers";

/** Counts all again. @returns what the database has counted otherwise */
export async function wrongTotals(): Promise<string[]> {
  const { results } = await env.DB.prepare(
    `SELECT 'repositories' AS what, repositories AS kept, (SELECT count(DISTINCT repository_id) FROM manifests) AS there FROM totals
     UNION ALL SELECT 'manifests', manifests, (SELECT count(*) FROM manifests) FROM totals
     UNION ALL SELECT 'manifest_bytes', manifest_bytes, (SELECT coalesce(sum(size), 0) FROM manifests) FROM totals
     UNION ALL SELECT 'blobs', blobs, (SELECT count(*) FROM blobs) FROM totals
     UNION ALL SELECT 'blob_bytes', blob_bytes, (SELECT coalesce(sum(size), 0) FROM blobs) FROM totals`,
  ).all<{ what: string; kept: number; there: number }>();
  return results
    .filter(({ kept, there }) => kept !== there)
    .map(({ what, kept, there }) => `${what}: ${there}, counted as ${kept}`);
}
