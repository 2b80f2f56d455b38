/** Collection with time moved: rows are made old instead of waiting for them. */

import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { collectGarbage } from "../../src/gc/collect.ts";
import type { CollectionReport } from "../../src/gc/report.ts";
import { bucket } from "../support/bucket.ts";
import { instrument } from "../support/instrument.ts";
import { wrongCounts } from "../support/quotas.ts";
import { databaseName, withVariables } from "../support/settings.ts";
import { wrongTotals } from "../support/totals.ts";

const DAYS = 86_400_000;

/** Makes everything that is here look `days` older. R2 objects keep their age. */
export async function age(days: number): Promise<void> {
  const past = days * DAYS;
  await env.DB.batch(
    ["blobs", "repository_blobs", "manifests"].map((table) =>
      env.DB.prepare(`UPDATE ${table} SET used_at = used_at - ?1`).bind(past),
    ),
  );
  await env.DB.prepare("UPDATE doomed_objects SET doomed_at = doomed_at - ?1, deleted_at = deleted_at - ?1")
    .bind(past)
    .run();
}

export async function collect(dryRun = false): Promise<CollectionReport> {
  const report = await collectGarbage(instrument(withVariables(env)), {
    dryRun,
    database: databaseName(),
  });
  if (report === null) throw new Error("another run holds the lease");
  return report;
}

/** Collects, and expects that nothing went wrong. @returns counts by kind, those above 0 only */
export async function collected(dryRun = false): Promise<Record<string, number>> {
  const report = await collect(dryRun);
  expect([report.outcome, report.error]).toEqual(["complete", null]);
  return Object.fromEntries(
    Object.entries(report.taken)
      .filter(([, { count }]) => count > 0)
      .map(([kind, { count }]) => [kind, count]),
  );
}

/** Lets what has been doomed wait for long enough, and collects again. */
export async function sweep(): Promise<void> {
  await env.DB.prepare("UPDATE doomed_objects SET doomed_at = doomed_at - ?1")
    .bind(8 * DAYS)
    .run();
  await collected();
}

/** Of the registry's objects that rows name. */
export async function objectKeys(): Promise<string[]> {
  return (await bucket.keys()).filter((key) => !key.startsWith("registry/"));
}

/** Every row of every table, as one text. */
export async function dump(): Promise<string> {
  const tables = await env.DB.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name",
  ).all<{ name: string }>();
  const rows: unknown[] = [];
  for (const { name } of tables.results)
    rows.push(name, (await env.DB.prepare(`SELECT * FROM ${name}`).all()).results);
  return JSON.stringify(rows);
}

/** The flags that lead collection to garbage, and quotas, must say what is true, and no row may point to a missing object. */
export async function expectSound(): Promise<void> {
  const wrong = await env.DB.prepare(
    `SELECT 'referenced' AS flag, blob_id AS what FROM repository_blobs AS link
     WHERE referenced <> EXISTS (SELECT 1 FROM manifest_blobs AS m
                                 WHERE m.repository_id = link.repository_id AND m.blob_id = link.blob_id)
     UNION ALL
     SELECT 'linked', digest FROM blobs
     WHERE linked <> EXISTS (SELECT 1 FROM repository_blobs WHERE blob_id = blobs.id)
     UNION ALL
     SELECT 'held', digest FROM manifests AS m
     WHERE held <> (EXISTS (SELECT 1 FROM tags WHERE manifest_id = m.id)
                    OR EXISTS (SELECT 1 FROM index_manifests AS i
                               WHERE i.repository_id = m.repository_id AND i.digest = m.digest)
                    OR EXISTS (SELECT 1 FROM manifests AS s
                               WHERE s.repository_id = m.repository_id AND s.digest = m.subject))
     UNION ALL
     SELECT 'listed', name FROM repositories
     WHERE listed <> EXISTS (SELECT 1 FROM manifests WHERE repository_id = repositories.id)
     UNION ALL
     SELECT 'empty', name FROM repositories
     WHERE empty <> (NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_id = repositories.id)
                     AND NOT EXISTS (SELECT 1 FROM manifests WHERE repository_id = repositories.id))`,
  ).all();
  expect(wrong.results).toEqual([]);
  expect(await strayRows()).toEqual([]);
  expect(await wrongCounts()).toEqual([]);
  expect(await wrongTotals()).toEqual([]);
  const keys = new Set(await objectKeys());
  const named = await env.DB.prepare(
    "SELECT object_key FROM blobs UNION ALL SELECT object_key FROM manifests WHERE object_key IS NOT NULL",
  ).all<{ object_key: string }>();
  for (const { object_key } of named.results) expect(keys).toContain(object_key);
}

/** Rows that say they are of one repository, and name a manifest of another. */
async function strayRows(): Promise<unknown[]> {
  const stray = await env.DB.prepare(
    `SELECT 'tags' AS what, name FROM tags JOIN manifests AS m ON m.id = manifest_id
     WHERE m.repository_id <> tags.repository_id
     UNION ALL
     SELECT 'manifest_blobs', m.digest FROM manifest_blobs AS named JOIN manifests AS m ON m.id = manifest_id
     WHERE m.repository_id <> named.repository_id
     UNION ALL
     SELECT 'index_manifests', m.digest FROM index_manifests AS named JOIN manifests AS m ON m.id = index_id
     WHERE m.repository_id <> named.repository_id`,
  ).all();
  return stray.results;
}

/** In an order in which rows can be put in: what is named before what names it. */
const TABLES = [
  ...["repositories", "blobs", "repository_blobs", "manifests", "manifest_blobs", "index_manifests", "tags"],
  ...["pending_objects", "quarantined_objects", "doomed_objects"],
];

/** All rows, to be put back by {@link restoreRows}: as a database is restored to an older day, beside its bucket. */
export async function saveRows(): Promise<Map<string, Record<string, unknown>[]>> {
  const saved = new Map<string, Record<string, unknown>[]>();
  for (const table of TABLES)
    saved.set(table, (await env.DB.prepare(`SELECT * FROM ${table}`).all()).results);
  return saved;
}

export async function restoreRows(saved: Map<string, Record<string, unknown>[]>): Promise<void> {
  // Triggers doom what goes: those rows go last.
  const doomedLast = [...TABLES.slice(0, -1).reverse(), ...TABLES.slice(-1)];
  for (const table of doomedLast) await env.DB.prepare(`DELETE FROM ${table}`).run();
  for (const [table, rows] of saved) {
    for (const row of rows) {
      const columns = Object.keys(row);
      const marks = columns.map((_, index) => `?${index + 1}`);
      await env.DB.prepare(`INSERT INTO ${table} (${columns}) VALUES (${marks})`)
        .bind(...Object.values(row))
        .run();
    }
  }
}
