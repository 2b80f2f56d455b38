/** Every query finds its rows by an index: none reads a whole table that grows. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { PREPARED, STATEMENTS } from "../support/statements.ts";

test("statements are literals, all found here", () => {
  expect(STATEMENTS.length).toBe(PREPARED);
  expect(STATEMENTS.length).toBeGreaterThan(20);
  for (const { sql } of STATEMENTS) expect(sql).not.toContain("${");
});

/** A search that only says where to begin, and no LIMIT where to end, reads all that follows: `name > ''` is all. */
const FROM_HERE_ON = /^SEARCH .*\((?:\w+|\([\w,]+\))>(?:\?|\([?,]+\))\)$/;

/** What waits to be deleted is counted once a run, in an index that holds nothing else. */
const COUNTS_ALL = /^SELECT count\(\*\) .* FROM doomed_objects/;

/** Whether there is any row: where the index alone decides, that ends with its first entry. */
const ASKS_FOR_ANY = /^SELECT\s+EXISTS \(/;
const INDEX_DECIDES = / (COVERING INDEX|INDEX \w+_missing) /;

/** A repository of which a quota is asked: one row, whether it is there or not. */
const ASKS_OF_ONE = /SELECT \?1 AS name, \?2 AS owner WHERE NOT EXISTS/;

async function scansOf(sql: string): Promise<string[]> {
  const parameters = Math.max(0, ...[...sql.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number)));
  const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .bind(...Array(parameters).fill(null))
    .all<{ detail: string }>();
  return (
    results
      .map(({ detail }) => detail)
      // Bound lists, constants, what a recursive query has found, what a quota's repositories hold, quotas themselves
      // (100 at most), and the one row of a materialised subquery.
      .filter(
        (detail) =>
          (/^SCAN/.test(detail) &&
            !/^SCAN (json_each|listed|freed|over|held|quotas|CONSTANT ROW|repository$)/.test(detail) &&
            !(detail === "SCAN target" && ASKS_OF_ONE.test(sql))) ||
          (FROM_HERE_ON.test(detail) &&
            !/ LIMIT \??\d/.test(sql) &&
            !COUNTS_ALL.test(sql) &&
            !(ASKS_FOR_ANY.test(sql) && INDEX_DECIDES.test(detail))),
      )
  );
}

describe("no full scan", () => {
  test.each(STATEMENTS)("$file: $sql", async ({ sql }) => {
    expect(await scansOf(sql)).toEqual([]);
  });

  test("a scan would be seen", async () => {
    expect(await scansOf("SELECT name FROM tags WHERE updated_at = ?1")).toHaveLength(1);
    expect(await scansOf("DELETE FROM blobs WHERE size = ?1")).toHaveLength(1);
    expect(await scansOf("SELECT count(*) FROM repositories WHERE name > ''")).toHaveLength(1);
    expect(await scansOf("DELETE FROM tags WHERE repository_id > 0")).toHaveLength(1);
    expect(
      await scansOf("SELECT EXISTS (SELECT 1 FROM blobs WHERE object_key > '' AND size = 7)"),
    ).toHaveLength(1);
    expect(await scansOf("SELECT name FROM repositories WHERE name > ?1 LIMIT ?2")).toEqual([]);
  });
});

test("every foreign key has an index on its side, so that deleting what it names is no scan", async () => {
  const tables = await env.DB.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all<{
    name: string;
  }>();
  const unindexed: string[] = [];
  let keys = 0;
  for (const { name } of tables.results.filter(({ name }) => !/^(sqlite_|_cf_|d1_)/.test(name))) {
    const indexes = await env.DB.prepare(
      `SELECT (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(list.name) ORDER BY seqno)) AS columns
       FROM pragma_index_list('${name}') AS list`,
    ).all<{ columns: string }>();
    const foreign = await env.DB.prepare(
      `SELECT group_concat("from") AS columns FROM (SELECT * FROM pragma_foreign_key_list('${name}') ORDER BY id, seq)
       GROUP BY id`,
    ).all<{ columns: string }>();
    for (const { columns } of foreign.results) {
      keys++;
      if (!indexes.results.some((index) => `${index.columns},`.startsWith(`${columns},`))) {
        unindexed.push(`${name}(${columns})`);
      }
    }
  }
  expect(unindexed).toEqual([]);
  expect(keys).toBeGreaterThan(5);
});
