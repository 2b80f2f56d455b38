/** The largest and the latest repositories of several databases, in one order. */

import { env } from "cloudflare:workers";
import { beforeEach, expect, test } from "vitest";
import type { RepositoryName } from "../../src/oci/reference.ts";
import { listRankedAcross, type Rank } from "../../src/storage/across/ranking.ts";
import { haveThreeDatabases, withVariables } from "../support/settings.ts";

/** Repositories of one database, with their sizes. */
async function add(db: D1Database, sizes: [name: string, bytes: number][]): Promise<void> {
  await db.batch([
    ...sizes.map((row) => db.prepare("INSERT INTO repositories (name, bytes) VALUES (?1, ?2)").bind(...row)),
    db.prepare(
      `INSERT INTO manifests (repository_id, digest, media_type, size, content, used_at)
       SELECT id, 'm', 'x', 2, '{}', 1 FROM repositories`,
    ),
  ]);
}

/** All names, as many read at once. */
async function walk(limit: number): Promise<RepositoryName[]> {
  const names: RepositoryName[] = [];
  for (let after: Rank | null = null, pages = 0; ; pages++) {
    if (pages > 20) throw new Error("the walk does not end");
    const { found, end } = await listRankedAcross(withVariables(env), "size", after, limit);
    names.push(...found.map(({ name }) => name));
    if (end === null) return names;
    after = end;
  }
}

beforeEach(async () => {
  await haveThreeDatabases("team=DB_2 mirror=DB_3");
  // What the tests call DB is DB_2 there.
  await add(env.MAIN_DB, [
    ["other/a", 5],
    ["other/b", 7],
    ["team/left", 6],
  ]);
  await add(env.DB, [
    ["team/a", 7],
    ["team/b", 5],
    ["team/c", 5],
  ]);
  await add(env.THIRD_DB, [
    ["mirror/a", 5],
    ["mirror/b", 9],
  ]);
});

const SORTED = ["mirror/b", "other/b", "team/a", "other/a", "team/c", "team/b", "mirror/a"];

test.each([1, 2, 3, 4, 7, 8, 9])(
  "is whole, each once, without what a move has left, %i at once",
  async (limit) => {
    expect(await walk(limit)).toEqual(SORTED);
  },
);
