/** The steps of a collection: one's failure, or its amount of work, is no other's. */

import { env } from "cloudflare:workers";
import { describe, expect, inject, test } from "vitest";
import { breakAll, breakAlways, healAll, interleave } from "../support/faults.ts";
import { pushImage } from "../support/images.ts";
import { pullBlob, pushBlob, request, sha256 } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { age, collect, collected, expectSound, objectKeys, sweep } from "./support.ts";

/** A row that cannot be deleted, whatever is tried. */
async function poison(table: "manifests" | "repository_blobs" | "blobs", digest: string): Promise<void> {
  const row =
    table === "repository_blobs" ? "(SELECT digest FROM blobs WHERE id = OLD.blob_id)" : "OLD.digest";
  await env.DB.prepare(
    `CREATE TRIGGER poison_${table} BEFORE DELETE ON ${table} WHEN ${row} = '${digest}'
     BEGIN SELECT RAISE(ABORT, 'poisoned'); END`,
  ).run();
}

/** Garbage of several kinds, and something doomed that has waited. */
async function garbage(): Promise<string[]> {
  setVariables({ UNTAGGED_MANIFESTS: "1d", DELETED_BYTES_KEPT: "0" });
  await pushBlob("doomed", "doomed");
  await env.DB.batch([env.DB.prepare("DELETE FROM repository_blobs"), env.DB.prepare("DELETE FROM blobs")]);
  const manifests: string[] = [];
  for (let index = 0; index < 5; index++) manifests.push(await pushImage("a", null, `config ${index}`, []));
  for (let index = 0; index < 5; index++) await pushBlob("b", `loose ${index}`);
  await age(2);
  return manifests;
}

describe("a page that fails", () => {
  test("is halved until the row that fails stands alone: every other goes, and the run says what failed", async () => {
    const manifests = await garbage();
    await poison("manifests", manifests[2] as string);
    const report = await collect();
    expect([report.taken.manifests.count, report.taken.links.count, report.taken.blobs.count]).toEqual([
      4, 5, 5,
    ]);
    expect([report.outcome, report.objectsDeleted]).toEqual(["failed", 1]);
    expect(report.failures).toEqual([{ step: "manifests", error: expect.stringContaining("poisoned") }]);
    expect(report.error).toContain("poisoned");
    await expectSound();
  });

  for (const [table, step] of [
    ["repository_blobs", "links"],
    ["blobs", "blobs"],
  ] as const) {
    test(`keeps no other step from its work: ${step}`, async () => {
      await garbage();
      await poison(table, sha256("loose 1"));
      const report = await collect();
      expect(report.taken[step].count).toBe(4);
      expect(report.taken.manifests.count).toBe(5);
      expect(report.failures).toEqual([{ step, error: expect.stringContaining("poisoned") }]);
      expect(await pullBlob("b", sha256("loose 2"))).toBe("status 404");
    });
  }

  // Azurite, radosgw and memory take any key.
  const takesAny = ["disk", "azure", "server", "memory"].includes(inject("store") ?? "r2");
  test.skipIf(takesAny)("of bytes is halved too: one key that cannot be deleted keeps no other", async () => {
    await garbage();
    // R2 takes no key of more than 1,024 bytes.
    await env.DB.prepare("INSERT INTO doomed_objects (object_key, bytes, doomed_at) VALUES (?1, 1, 1)")
      .bind(`blobs/${"x".repeat(1100)}`)
      .run();
    const report = await collect();
    expect([report.objectsDeleted, report.failures.map(({ step }) => step)]).toEqual([1, ["objects"]]);
    expect(report.taken.manifests.count).toBe(5);
    expect(report.waiting.count).toBeGreaterThan(0);
  });
});

describe("a step that cannot even begin", () => {
  test("is reported, and the others do their work", async () => {
    await garbage();
    breakAlways("BUCKET.list", "before");
    const report = await collect();
    expect(report.failures.map(({ step }) => step)).toEqual(["orphans"]);
    expect(report.unfinished).toEqual(["orphans"]);
    expect([report.taken.manifests.count, report.taken.blobs.count, report.objectsDeleted]).toEqual([
      5, 5, 1,
    ]);
    healAll();
    expect((await collect()).outcome).toBe("complete");
  });

  test("of a dry run is reported as well", async () => {
    await garbage();
    breakAlways("BUCKET.list", "before");
    const report = await collect(true);
    expect([report.outcome, report.failures.map(({ step }) => step)]).toEqual(["failed", ["orphans"]]);
    expect(report.taken.manifests.count).toBe(5);
  });
});

describe("a step that has more to do than a run allows", () => {
  test("takes nothing of the others' budgets", async () => {
    await garbage();
    const insert = env.DB.prepare("INSERT INTO repositories (name) SELECT 'e' || value FROM json_each(?1)");
    for (let page = 0; page < 25; page++) {
      const list = Array.from({ length: 1000 }, (_, index) => page * 1000 + index);
      await insert.bind(JSON.stringify(list)).run();
    }
    const report = await collect();
    expect([report.outcome, report.unfinished]).toEqual(["stopped", ["repositories"]]);
    expect([report.taken.manifests.count, report.taken.blobs.count, report.objectsDeleted]).toEqual([
      5, 5, 1,
    ]);
  });
});

describe("bytes", () => {
  test("are deleted first: what fails later keeps none", async () => {
    await garbage();
    let left: string[] = [];
    interleave("BUCKET.list", async () => {
      left = await objectKeys();
    });
    await collect();
    expect(left).toHaveLength(10);
  });

  test("whose deletion was answered and could not be recorded are deleted once more, and forgotten later", async () => {
    await garbage();
    // The first statement behind the deletion.
    breakAll("BUCKET.delete", "after");
    expect((await collect()).outcome).toBe("failed");
    healAll();
    await age(2);
    await collected();
    await age(2);
    await sweep();
    expect(await objectKeys()).toEqual([]);
    await env.DB.prepare("UPDATE doomed_objects SET deleted_at = deleted_at - 61000").run();
    await collected();
    expect(await env.DB.prepare("SELECT count(*) AS n FROM doomed_objects").first("n")).toBe(0);
  });

  test("whose record another run has forgotten meanwhile have one again, which is forgotten later", async () => {
    setVariables({ DELETED_BYTES_KEPT: "0" });
    await pushBlob("a", "doomed");
    await age(2);
    await collected();
    interleave("BUCKET.delete", () => env.DB.prepare("DELETE FROM doomed_objects").run());
    const report = await collect();
    expect([report.objectsDeleted, report.waiting.count]).toEqual([1, 0]);
    const records = () => env.DB.prepare("SELECT count(deleted_at) AS n FROM doomed_objects").first("n");
    expect(await records()).toBe(1);
    await env.DB.prepare("UPDATE doomed_objects SET deleted_at = deleted_at - 61000").run();
    await collected();
    expect(await records()).toBe(0);
  });
});

test("a run that cannot be recorded says so", async () => {
  await pushBlob("a", "hello");
  await env.DB.prepare(
    "CREATE TRIGGER unrecordable BEFORE INSERT ON gc_runs BEGIN SELECT RAISE(ABORT, 'full'); END",
  ).run();
  const report = await collect();
  expect([report.outcome, report.error]).toEqual(["failed", expect.stringContaining("full")]);
  expect((await request("GET", "/v2/")).status).toBe(200);
});
