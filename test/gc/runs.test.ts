/** Runs: the lease, the record, the admin call, cron, and what they cost. */

import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { CollectionReport } from "../../src/gc.ts";
import worker from "../../src/index.ts";
import { breakNext, interleave } from "../support/faults.ts";
import { pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { codesOf, pullBlob, pushBlob, request, sha256 } from "../support/registry.ts";
import { age, collect } from "./support.ts";

async function runs(): Promise<CollectionReport[]> {
  return ((await (await request("GET", "/v2/_berth/gc")).json()) as { runs: CollectionReport[] }).runs;
}

describe("the lease", () => {
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
    interleave("BUCKET.list", () => env.DB.prepare("UPDATE gc_state SET holder = 'another'").run());
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
      objectsDeleted: 1,
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
    breakNext("BUCKET.list", "before");
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
  test("with no garbage, rows read do not grow with the live manifests of a repository", async () => {
    const idle = async () => (await measure(() => collect())).rowsRead;
    await pushImage("a", "t0", "config", ["layer 0"]);
    await age(2);
    await collect();
    const few = await idle();
    for (let index = 1; index < 40; index++) await pushImage("a", `t${index}`, "config", [`layer ${index}`]);
    await age(2);
    await collect();
    expect(await idle()).toBeLessThanOrEqual(few + 2);
  });
});
