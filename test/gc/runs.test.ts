/** Runs: the lease, the record, the admin call, cron, and what they cost. */

import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, inject, test } from "vitest";
import type { CollectionReport } from "../../src/gc/report.ts";
import worker from "../../src/index.ts";
import { setDaysAhead } from "../support/clock.ts";
import { breakAlways, interleave } from "../support/faults.ts";
import { pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { codesOf, pullBlob, pushBlob, request, sha256 } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { age, collect } from "./support.ts";

afterEach(() => setDaysAhead(0));

async function runs(): Promise<CollectionReport[]> {
  return ((await (await request("GET", "/v2/_berth/gc")).json()) as { runs: CollectionReport[] }).runs;
}

describe("what a run does not come to the end of", () => {
  test("is named by a dry run, which goes on to the other kinds", async () => {
    await env.DB.prepare("INSERT INTO repositories (name) VALUES ('big')").run();
    for (let page = 0; page < 11; page++) {
      const list = JSON.stringify(Array.from({ length: 1000 }, (_, index) => page * 1000 + index));
      const statements = [
        `INSERT INTO blobs (digest, object_key, size, used_at)
         SELECT 'sha256:' || value, 'blobs/' || value, 7, 1 FROM json_each(?1)`,
        `INSERT INTO repository_blobs (repository_id, blob_id, used_at)
         SELECT repositories.id, blobs.id, 1
         FROM repositories JOIN json_each(?1) JOIN blobs ON digest = 'sha256:' || value`,
      ];
      await env.DB.batch(statements.map((sql) => env.DB.prepare(sql).bind(list)));
    }
    const report = await collect(true);
    expect([report.outcome, report.unfinished]).toEqual(["stopped", ["links", "blobs"]]);
    expect(report.taken.blobs.count).toBe(10_000);
  });

  test("is gone on with by the next run", async () => {
    const insert = env.DB.prepare(
      "INSERT INTO repositories (name) SELECT 'empty' || value FROM json_each(?1)",
    );
    for (let page = 0; page < 25; page++) {
      await insert
        .bind(JSON.stringify(Array.from({ length: 1000 }, (_, index) => page * 1000 + index)))
        .run();
    }
    const first = await collect();
    expect([first.outcome, first.unfinished]).toEqual(["stopped", ["repositories"]]);
    const second = await collect();
    expect([second.outcome, first.taken.repositories.count + second.taken.repositories.count]).toEqual([
      "complete",
      25_000,
    ]);
  });
});

describe("the lease", () => {
  test("is not taken where a setting makes no sense", async () => {
    setVariables({ GRACE_PERIOD: "soon" });
    await expect(collect()).rejects.toThrow("GRACE_PERIOD");
    setVariables();
    expect((await collect()).outcome).toBe("complete");
  });

  test("two runs never overlap: the second is told so, and takes nothing", async () => {
    let second: Response | undefined;
    interleave("BUCKET.list", async () => {
      second = await request("POST", "/v2/_berth/gc");
    });
    await collect();
    expect([second?.status, second?.headers.get("Retry-After")]).toEqual([429, "60"]);
    expect(await codesOf(second as Response)).toEqual(["TOOMANYREQUESTS"]);
  });

  test("a dead run's lease expires", async () => {
    await env.DB.prepare("UPDATE gc_state SET holder = 'dead', lease_expires_at = ?1")
      .bind(Date.now() + 60_000)
      .run();
    await expect(collect()).rejects.toThrow();
    await env.DB.prepare("UPDATE gc_state SET lease_expires_at = ?1")
      .bind(Date.now() - 1)
      .run();
    expect((await collect()).outcome).toBe("complete");
  });

  test("a run that was overtaken stops", async () => {
    interleave("BUCKET.list", async () => {
      await env.DB.prepare("UPDATE gc_state SET holder = 'another'").run();
      // It took so long that another one could come.
      setDaysAhead(1);
    });
    const report = await collect();
    expect([report.outcome, report.error]).toEqual(["failed", expect.stringContaining("lease")]);
    expect(await env.DB.prepare("SELECT holder FROM gc_state").first("holder")).toBe("another");
  });
});

describe("the record", () => {
  test("every run is a row, the newest first; a dry run is none", async () => {
    await pushBlob("a", "hello");
    await age(2);
    await request("POST", "/v2/_berth/gc?dry-run=true");
    expect(await runs()).toEqual([]);
    await request("POST", "/v2/_berth/gc");
    await new Promise((resolve) => setTimeout(resolve, 5));
    await request("POST", "/v2/_berth/gc");
    const [last, first] = await runs();
    expect(first).toMatchObject({
      dryRun: false,
      outcome: "complete",
      taken: { links: { count: 1, bytes: 0 }, blobs: { count: 1, bytes: 5 } },
      objectsDeleted: 0,
      waiting: { count: 1, bytes: 5 },
    });
    expect(first?.entries).toContainEqual({
      kind: "links",
      repository: "a",
      digest: sha256("hello"),
      bytes: 0,
    });
    expect(last?.entries).toEqual([]);
  });

  test("only the last hundred are kept", async () => {
    const insert = env.DB.prepare(
      "INSERT INTO gc_runs (id, started_at, report) SELECT 'old ' || value, value + 1, '{}' FROM json_each(?1)",
    );
    await insert.bind(JSON.stringify(Array.from({ length: 150 }, (_, index) => index))).run();
    await collect();
    expect(await env.DB.prepare("SELECT count(*) AS n FROM gc_runs").first("n")).toBe(100);
  });

  test("a failure is reported with its cause, and recorded", async () => {
    breakAlways("BUCKET.list", "before");
    const report = await collect();
    expect([report.outcome, report.error]).toEqual(["failed", expect.stringContaining("broken on purpose")]);
    expect((await runs())[0]).toMatchObject({ outcome: "failed" });
    expect(await env.DB.prepare("SELECT holder FROM gc_state").first("holder")).toBe(null);
  });
});

describe("the admin call", () => {
  test("answers the report; a dry run takes nothing", async () => {
    await pushBlob("a", "hello");
    await age(2);
    const dry = (await (await request("POST", "/v2/_berth/gc?dry-run=true")).json()) as CollectionReport;
    expect([dry.dryRun, dry.taken.blobs]).toEqual([true, { count: 1, bytes: 5 }]);
    expect(await pullBlob("a", sha256("hello"))).toBe("hello");
    const real = (await (await request("POST", "/v2/_berth/gc")).json()) as CollectionReport;
    expect([real.dryRun, real.taken.blobs]).toEqual([false, { count: 1, bytes: 5 }]);
    expect(await pullBlob("a", sha256("hello"))).toBe("status 404");
  });

  test("a malformed dry-run is 400, and nothing runs", async () => {
    for (const value of ["", "yes", "1"]) {
      expect((await request("POST", `/v2/_berth/gc?dry-run=${value}`)).status).toBe(400);
    }
    expect(await runs()).toEqual([]);
  });

  test("is listed among the extensions", async () => {
    const response = await request("GET", "/v2/_oci/ext/discover");
    expect(await response.text()).toContain("_berth/gc");
  });
});

test("cron runs it", async () => {
  await pushBlob("a", "hello");
  await age(2);
  await worker.scheduled(createScheduledController(), env);
  expect(await pullBlob("a", sha256("hello"))).toBe("status 404");
  expect(await runs()).toHaveLength(1);
});

describe("cost", () => {
  // A folder is listed by its files, which cost nothing.
  test.skipIf(inject("store") === "disk")(
    "looking for orphans reads a few rows an object, and no more than its pages a run",
    async () => {
      for (let index = 0; index < 40; index++) await pushBlob("a", `layer ${index}`);
      setVariables({ ORPHAN_AGE: "2s", UPLOAD_EXPIRY: "1s" });
      await new Promise((resolve) => setTimeout(resolve, 2100));
      await collect();
      const costs = await measure(() => collect());
      // The identity of the bucket, and a page of each prefix.
      expect(costs.r2).toEqual({ get: 1, list: 2 });
      expect(costs.rowsRead).toBeLessThanOrEqual(40 * 3 + 60);
    },
  );

  test("with no garbage, rows read grow with the objects that the walk looks at, and with nothing else", async () => {
    // All objects are old enough to be orphans.
    setDaysAhead(3);
    const idle = async () => (await measure(() => collect())).rowsRead;
    await pushImage("a", "t0", "config", ["layer 0"]);
    const few = await idle();
    for (let number = 1; number < 40; number++) {
      await pushImage("a", `t${number}`, "config", ["layer 0"], { annotations: { number: `${number}` } });
    }
    setDaysAhead(6);
    expect(await idle()).toBeLessThanOrEqual(few + 2);
    const before = await idle();
    for (let number = 1; number < 40; number++) {
      await pushImage("a", `t${number}`, "config", [`layer ${number}`]);
    }
    setDaysAhead(9);
    const after = await idle();
    expect(after - before).toBeLessThanOrEqual(39 * 5);
    // It did look at them.
    expect(after - before).toBeGreaterThanOrEqual(39);
  });
});
