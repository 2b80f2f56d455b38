/** Every query finds its rows by an index: none reads a whole table that grows. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";

const sources = import.meta.glob<string>("../../src/storage/**/*.ts", {
  query: "?raw",
  import: "default",
  eager: true,
});

/** A condition that stands in several statements is a constant of its file. */
function withConstants(sql: string, text: string): string {
  return sql.replace(/\$\{([A-Z_]+)\}/g, (_, name) => {
    const value = new RegExp(`const ${name} = \`([^\`]*)\``).exec(text)?.[1];
    if (value === undefined) throw new Error(`the constant ${name} is no literal of its file`);
    return value;
  });
}

const calls =
  Object.entries(sources)
    // The door itself.
    .filter(([path]) => !path.endsWith("/database.ts"))
    .map(([, text]) => text)
    .join("\n")
    .split(".prepare(").length - 1;
const statements = Object.entries(sources).flatMap(([path, text]) =>
  [...text.matchAll(/\.prepare\(\s*`([^`]*)`,?\s*\)/g)].map(([, sql]) => ({
    sql: withConstants(sql as string, text)
      .replace(/\s+/g, " ")
      .trim(),
    file: path.split("/").at(-1) as string,
  })),
);

test("statements are literals, all found here", () => {
  expect(statements.length).toBe(calls);
  expect(statements.length).toBeGreaterThan(20);
  for (const { sql } of statements) expect(sql).not.toContain("${");
});

async function scansOf(sql: string): Promise<string[]> {
  const parameters = Math.max(0, ...[...sql.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number)));
  const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .bind(...Array(parameters).fill(null))
    .all<{ detail: string }>();
  return (
    results
      .map(({ detail }) => detail)
      // Bound lists, constants, and the one row that a materialised subquery has.
      .filter(
        (detail) =>
          /^SCAN/.test(detail) && !/^SCAN (json_each|listed|freed|CONSTANT ROW|repository$)/.test(detail),
      )
  );
}

describe("no full scan", () => {
  test.each(statements)("$file: $sql", async ({ sql }) => {
    expect(await scansOf(sql)).toEqual([]);
  });

  test("a scan would be seen", async () => {
    expect(await scansOf("SELECT name FROM tags WHERE digest = ?1")).toHaveLength(1);
    expect(await scansOf("DELETE FROM blobs WHERE size = ?1")).toHaveLength(1);
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
