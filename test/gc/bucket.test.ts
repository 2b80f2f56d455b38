/** A bucket and a database that do not belong together: nothing of the bucket is taken. */

import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { CollectionReport } from "../../src/gc/report.ts";
import worker from "../../src/index.ts";
import { bucket } from "../support/bucket.ts";
import { pullBlob, pushBlob, request, sha256 } from "../support/registry.ts";
import { setVariables, withVariables } from "../support/settings.ts";
import { age, collect, collected, objectKeys, sweep } from "./support.ts";

async function run(query = ""): Promise<CollectionReport> {
  return (await request("POST", `/v2/_berth/gc${query}`)).json();
}

/** Objects without a row, older than ORPHAN_AGE. */
async function putOrphans(count: number): Promise<void> {
  setVariables({ ORPHAN_AGE: "2s", UPLOAD_EXPIRY: "1s" });
  for (let index = 0; index < count; index++) await bucket.put(`blobs/orphan-${index}`, "x");
  await new Promise((resolve) => setTimeout(resolve, 2100));
}

/** What a database that was made anew knows: nothing, under another identity. */
async function forgetEverything(): Promise<void> {
  for (const table of ["tags", "manifests", "repository_blobs", "blobs", "repositories", "doomed_objects"])
    await env.DB.prepare(`DELETE FROM ${table}`).run();
  await env.DB.prepare("DELETE FROM doomed_objects").run();
  await env.DB.prepare("UPDATE registry SET identity = 'another'").run();
}

describe("what lies beside the registry's objects", () => {
  test("is never looked at, however old", async () => {
    await pushBlob("a", "hello");
    for (const key of ["backups/db.sql", "blob", "blobs", "manifest/x", "zzz"]) await bucket.put(key, "x");
    await putOrphans(1);
    expect(await collected()).toEqual({ orphans: 1 });
    await sweep();
    const objects = await bucket.list();
    const keys = objects.map(({ key }) => key);
    for (const key of ["backups/db.sql", "blob", "blobs", "manifest/x", "zzz"]) expect(keys).toContain(key);
    expect(keys).not.toContain("blobs/orphan-0");
  });
});

describe("another database beside a bucket", () => {
  test("takes nothing, fails loudly, and says how to adopt the bucket", async () => {
    for (let index = 0; index < 10; index++) await pushBlob("a", `layer ${index}`);
    await collected();
    await forgetEverything();
    setVariables({ ORPHAN_AGE: "2s", UPLOAD_EXPIRY: "1s", DELETED_BYTES_KEPT: "0" });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    for (const query of ["", "?force=true", "?dry-run=true"]) {
      const report = await run(query);
      expect([report.outcome, report.error]).toEqual(["failed", expect.stringContaining("--adopt")]);
      expect(report.taken.orphans.count).toBe(0);
    }
    expect(await objectKeys()).toHaveLength(10);
    expect((await run()).failures).toEqual([{ step: "run", error: expect.stringContaining("belongs to") }]);
  });

  test("adopts it when told to; what no row names still waits for --force", async () => {
    for (let index = 0; index < 10; index++) await pushBlob("a", `layer ${index}`);
    await collected();
    await forgetEverything();
    setVariables({ ORPHAN_AGE: "2s", UPLOAD_EXPIRY: "1s" });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const adopted = await run("?adopt=true");
    expect([adopted.outcome, adopted.error]).toEqual(["failed", expect.stringContaining("10 of 10 objects")]);
    expect((await run()).error).toContain("10 of 10 objects");
    expect(await objectKeys()).toHaveLength(10);
    expect((await run("?force=true")).taken.orphans.count).toBe(10);
    await sweep();
    expect(await objectKeys()).toEqual([]);
  });

  test("a dry run claims no bucket", async () => {
    await collect(true);
    expect(await bucket.list("registry/")).toEqual([]);
    await collect();
    expect(await bucket.list("registry/")).toHaveLength(1);
  });
});

describe("more orphans than crashes leave", () => {
  test("stop that step, and no other, until they are forced", async () => {
    await pushBlob("a", "hello");
    await pushBlob("b", "garbage");
    await age(2);
    await pushBlob("a", "hello");
    await putOrphans(6);
    const report = await collect();
    expect([report.outcome, report.failures.map(({ step }) => step)]).toEqual(["failed", ["orphans"]]);
    expect([report.taken.orphans.count, report.taken.blobs.count]).toEqual([0, 1]);
    expect((await run("?force=true")).taken.orphans.count).toBe(6);
    expect(await pullBlob("a", sha256("hello"))).toBe("hello");
  });

  test("a few are taken at once", async () => {
    await pushBlob("a", "hello");
    await putOrphans(5);
    expect(await collected()).toEqual({ orphans: 5 });
  });

  test("on one page keep no other page from its turn", async () => {
    await pushBlob("a", "hello");
    await putOrphans(2);
    for (let index = 0; index < 6; index++) await bucket.put(`manifests/orphan-${index}`, "x");
    await new Promise((resolve) => setTimeout(resolve, 2100));
    for (let run = 0; run < 2; run++) {
      const report = await collect();
      expect([report.outcome, report.taken.orphans.count]).toEqual(["failed", run === 0 ? 2 : 0]);
      expect(report.unfinished).toEqual([]);
    }
  });

  test("any at all are not while the database names no object", async () => {
    await putOrphans(1);
    expect((await collect()).error).toContain("1 of 1 objects");
  });

  test("a dry run says so as well", async () => {
    await putOrphans(10);
    const report = await collect(true);
    expect([report.outcome, report.error]).toEqual(["failed", expect.stringContaining("--force")]);
  });

  test("a value of force or adopt that makes no sense is 400", async () => {
    for (const query of ["force=yes", "adopt=1", "force="]) {
      expect((await request("POST", `/v2/_berth/gc?${query}`)).status).toBe(400);
    }
  });
});

describe("an upload that is being closed", () => {
  test("keeps its object from the orphan walk, whatever the object's age", async () => {
    await pushBlob("a", "hello");
    await putOrphans(2);
    await env.DB.prepare(
      "INSERT INTO pending_objects (object_key, registered_at) VALUES ('blobs/orphan-0', ?1)",
    )
      .bind(Date.now())
      .run();
    expect(await collected()).toEqual({ orphans: 1 });
    await sweep();
    expect(await objectKeys()).toContain("blobs/orphan-0");
    // Its session is long gone.
    await env.DB.prepare("UPDATE pending_objects SET registered_at = 1").run();
    expect(await collected()).toEqual({ orphans: 1 });
    expect(await env.DB.prepare("SELECT count(*) AS n FROM pending_objects").first("n")).toBe(0);
  });
});

test("a cron invocation whose run failed fails visibly", async () => {
  await putOrphans(10);
  await expect(worker.scheduled(createScheduledController(), withVariables(env))).rejects.toThrow(
    "10 of 10 objects",
  );
});
