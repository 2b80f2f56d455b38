/** Quotas of the registry under test, and whether they count right. */

import { env } from "cloudflare:workers";
import { parseGlob } from "../../src/oci/globs.ts";
import { request } from "./registry.ts";

/** Sets a quota of repositories, or of an owner. @returns how many bytes are used */
export async function setQuota(
  name: string,
  scope: { repositories: string } | { owner: string },
  allowed: number,
): Promise<number> {
  const body = JSON.stringify({ ...scope, allowed });
  const response = await request("PUT", `/v2/_berth/quotas/${name}`, { body });
  if (response.status !== 200) throw new Error(`the quota is refused: ${await response.text()}`);
  return ((await response.json()) as { used: number }).used;
}

/** How many bytes are used of a quota. */
export async function usedOf(name: string): Promise<number | undefined> {
  const response = await request("GET", "/v2/_berth/quotas");
  const { quotas } = (await response.json()) as { quotas: { name: string; used: number }[] };
  return quotas.find((quota) => quota.name === name)?.used;
}

interface Counted {
  quota_id: number;
  digest: string;
  size: number;
  links: number;
}

/** Counts all again, by other means. @returns what the database has counted otherwise */
export async function wrongCounts(): Promise<string[]> {
  const all = async <T>(sql: string) => (await env.DB.prepare(sql).all<T>()).results;
  const quotas = await all<{ id: number; kind: string; pattern: string; used: number }>(
    "SELECT * FROM quotas",
  );
  const repositories = await all<{ id: number; name: string; owner: string | null }>(
    "SELECT id, name, owner FROM repositories",
  );
  const held = await all<{ repository_id: number; digest: string; size: number }>(
    `SELECT repository_id, digest, size FROM repository_blobs JOIN blobs ON blobs.id = blob_id
     UNION ALL SELECT repository_id, digest, size FROM manifests`,
  );
  const counted = await all<Counted>("SELECT * FROM quota_bytes");
  const covered = await all<{ quota_id: number; repository_id: number }>("SELECT * FROM quota_repositories");
  const wrong: string[] = [];
  for (const { id, kind, pattern, used } of quotas) {
    const covers = (repository: { name: string; owner: string | null }) =>
      kind === "owner" ? repository.owner === pattern : parseGlob(pattern)?.matches(repository.name);
    const mine = new Set(repositories.filter(covers).map((repository) => repository.id));
    const links = held.filter(({ repository_id }) => mine.has(repository_id));
    const digests = new Map(links.map(({ digest, size }) => [digest, size]));
    const expected = [...digests].map(([digest, size]) =>
      [digest, size, links.filter((link) => link.digest === digest).length].join(" "),
    );
    const found = counted.filter(({ quota_id }) => quota_id === id);
    compare(wrong, `what ${pattern} covers`, [...mine], idsOf(covered, id));
    compare(
      wrong,
      `what ${pattern} counts`,
      expected,
      found.map((row) => [row.digest, row.size, row.links].join(" ")),
    );
    compare(wrong, `the sum of ${pattern}`, [sum([...digests.values()])], [used]);
  }
  return wrong;
}

function idsOf(covered: { quota_id: number; repository_id: number }[], quota: number): number[] {
  return covered.filter(({ quota_id }) => quota_id === quota).map(({ repository_id }) => repository_id);
}

function compare(wrong: string[], what: string, expected: unknown[], found: unknown[]): void {
  const [should, is] = [expected, found].map((list) => JSON.stringify(list.map(String).sort()));
  if (should !== is) wrong.push(`${what} should be ${should}, and is ${is}`);
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
