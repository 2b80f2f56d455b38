/** How the registry is watched: its health, its status, its metrics, and the switch to read-only. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { addCounted, countRequest } from "../../src/metrics/requests.ts";
import { forgetHealth } from "../../src/routes/health.ts";
import { addCounts, listCounters } from "../../src/storage/counters.ts";
import { Database } from "../../src/storage/database.ts";
import { SCHEMA_VERSION } from "../../src/storage/registry.ts";
import { age, collected } from "../gc/support.ts";
import { finishBackground } from "../support/background.ts";
import { breakAlways, breakNext, healAll } from "../support/faults.ts";
import { pushImage } from "../support/images.ts";
import { instrument } from "../support/instrument.ts";
import { measure } from "../support/meter.ts";
import { close, codesOf, patch, pushBlob, request, startUpload } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { SEVERAL } from "../support/stores.ts";
import { wrongTotals } from "../support/totals.ts";
import { addUser, basic } from "../support/users.ts";

/** What is said of all databases together is tested in test/databases. */

const NOBODY = { headers: { Authorization: "" } };
const TOKEN = "a-token-for-prometheus-of-32-characters";

describe("GET /healthz", () => {
  test("says ok to anybody, over plain HTTP too, and nothing else", async () => {
    const response = await request("GET", "/healthz", NOBODY);
    expect([response.status, await response.text()]).toEqual([200, "ok\n"]);
    expect((await request("HEAD", "/healthz", NOBODY)).status).toBe(200);
  });

  test.each(["DB.query", "BUCKET.head"])("is 503 while %s fails, and well again after it", async (call) => {
    breakAlways(call, "before");
    const response = await request("GET", "/healthz", NOBODY);
    expect([response.status, await response.text()]).toEqual([503, "unavailable\n"]);
    expect(response.headers.get("Retry-After")).toBe("5");
    healAll();
    forgetHealth();
    expect((await request("GET", "/healthz", NOBODY)).status).toBe(200);
  });

  test("is 503 before the migrations", async () => {
    await env.DB.prepare("UPDATE registry SET schema_version = 1").run();
    expect((await request("GET", "/healthz", NOBODY)).status).toBe(503);
  });

  test("asks the stores once in five seconds, however often it is asked", async () => {
    await request("GET", "/healthz", NOBODY);
    const costs = await measure(() => Promise.all([1, 2, 3].map(() => request("GET", "/healthz", NOBODY))));
    expect(costs).toMatchObject({ queries: 0, r2: {} });
  });

  test("is not to be posted to", async () => {
    expect((await request("POST", "/healthz")).status).toBe(405);
  });
});

interface Status {
  build: { version: string; deployment: string; schema: number };
  readOnly: string | null;
  totals: Record<"repositories" | "manifests" | "manifestBytes" | "blobs" | "blobBytes", number>;
  uploads: { open: number; limit: number };
  database: { bytes: number; limit: number; share: number };
  collection: { last: { outcome: string } | null; lastSuccessAt: number | null };
}

async function status(): Promise<Status> {
  return (await request("GET", "/v2/_berth/status")).json();
}

describe("GET /v2/_berth/status", () => {
  test.skipIf(SEVERAL)("tells an administrator what is there, in one query of few rows", async () => {
    await pushImage("a", "latest", "config", ["layer"]);
    await pushImage("b", "latest", "config", ["layer"]);
    await startUpload("a");
    const costs = await measure(() => request("GET", "/v2/_berth/status"));
    expect(costs).toMatchObject({ queries: 1, r2: {}, rowsWritten: 0 });
    expect(costs.rowsRead).toBeLessThanOrEqual(5);
    const { build, readOnly, totals, uploads, database, collection } = await status();
    expect(build).toEqual({
      version: packageJson.version,
      deployment: env.VERSION.id,
      schema: SCHEMA_VERSION,
    });
    expect(readOnly).toBeNull();
    expect(totals).toMatchObject({
      repositories: 2,
      manifests: 2,
      blobs: 2,
      blobBytes: "configlayer".length,
    });
    expect(totals.manifestBytes).toBeGreaterThan(400);
    expect(uploads).toEqual({ open: 1, limit: 10_000 });
    expect(database.bytes).toBeGreaterThan(50_000);
    expect(database.share).toBeCloseTo(database.bytes / database.limit);
    expect(collection).toEqual({ last: null, lastSuccessAt: null });
  });

  test.skipIf(SEVERAL)("tells the last collection, and the last that did not fail", async () => {
    await collected();
    const before = await status();
    expect(before.collection.last?.outcome).toBe("complete");
    breakAlways("BUCKET.list", "before");
    await request("POST", "/v2/_berth/gc");
    healAll();
    const after = await status();
    expect(after.collection.last?.outcome).toBe("failed");
    expect(after.collection.lastSuccessAt).toBe(before.collection.lastSuccessAt);
  });

  test("is for administrators alone", async () => {
    await addUser("bob", { access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }] });
    const refused = await request("GET", "/v2/_berth/status", { headers: { Authorization: basic("bob") } });
    expect([refused.status, await codesOf(refused)]).toEqual([403, ["DENIED"]]);
    expect((await request("GET", "/v2/_berth/status", NOBODY)).status).toBe(401);
  });

  test.skipIf(SEVERAL)("counts right through deletion and collection", async () => {
    const digest = await pushImage("a", "latest", "config", ["layer"]);
    await pushBlob("a", "unreferenced");
    expect(await wrongTotals()).toEqual([]);
    await request("DELETE", `/v2/a/manifests/${digest}`);
    expect((await status()).totals).toMatchObject({
      repositories: 0,
      manifests: 0,
      manifestBytes: 0,
      blobs: 3,
    });
    await age(2);
    await collected();
    expect((await status()).totals).toMatchObject({ blobs: 0, blobBytes: 0 });
    expect(await wrongTotals()).toEqual([]);
  });
});

describe("GET /metrics", () => {
  async function metrics(authorization = basic("admin")): Promise<Map<string, number>> {
    const response = await request("GET", "/metrics", { headers: { Authorization: authorization } });
    expect([response.status, response.headers.get("Content-Type")]).toEqual([
      200,
      "text/plain; version=0.0.4; charset=utf-8",
    ]);
    const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
    );
  }

  test.skipIf(SEVERAL)("shows what is there, each metric with its help and its type", async () => {
    await pushImage("a", "latest", "config", ["layer"]);
    await collected();
    const found = await metrics();
    expect(found.get("berth_repositories")).toBe(1);
    expect(found.get("berth_blob_bytes")).toBe("configlayer".length);
    expect(found.get("berth_read_only")).toBe(0);
    expect(found.get("berth_collection_last_failed")).toBe(0);
    expect(found.get("berth_collection_last_success_timestamp_seconds")).toBeCloseTo(Date.now() / 1000, -2);
    const text = await (await request("GET", "/metrics")).text();
    const names = [...found.keys()].map((series) => series.replace(/\{.*/, ""));
    for (const name of names)
      expect(text).toMatch(new RegExp(`# HELP ${name} .+\n# TYPE ${name} gauge\n${name}`));
  });

  test("counts requests, by what answered them, and how long they took", async () => {
    setVariables({ METRICS_EVERY: "1s" });
    await pushImage("team/blobs/uploads", "latest", "config", []);
    await request("GET", "/v2/team/blobs/uploads/manifests/latest");
    await request("GET", "/v2/team/blobs/uploads/manifests/other");
    await request("PROPFIND", "/v2/");
    await finishBackground();
    const found = await metrics();
    const count = (code: number, handler: string, method: string) =>
      found.get(`registry_http_requests_total{code="${code}",handler="${handler}",method="${method}"}`);
    expect(count(201, "manifest", "PUT")).toBe(1);
    expect(count(200, "manifest", "GET")).toBe(1);
    expect(count(404, "manifest", "GET")).toBe(1);
    expect(count(405, "base", "other")).toBe(1);
    const duration = (end: string) => found.get(`registry_http_request_duration_seconds_${end}`);
    expect(duration('count{handler="manifest"}')).toBe(3);
    expect(duration('bucket{handler="manifest",le="+Inf"}')).toBe(3);
    for (const le of [0.05, 0.25, 1, 5, 30]) {
      const within = duration(`bucket{handler="manifest",le="${le}"}`) ?? -1;
      expect(within).toBeGreaterThanOrEqual(le === 30 ? 3 : 0);
    }
    expect(duration('sum{handler="manifest"}')).toBeGreaterThanOrEqual(0);
  });

  test("nothing of a request that a client may choose becomes a label", async () => {
    setVariables({ METRICS_EVERY: "1s" });
    await request("GET", '/v2/evil"name/manifests/x');
    await request("GET", "/v2/secret-project/tags/list");
    await request("GET", "/somewhere");
    await finishBackground();
    const series = [...(await metrics()).keys()].filter((name) => name.startsWith("registry_"));
    expect(series.length).toBeGreaterThan(10);
    for (const name of series) expect(name).toMatch(/^[a-z_]+\{([a-z]+="[\w.+]+",?)+\}$/);
    expect(series.join()).not.toMatch(/evil|secret|somewhere/);
  });

  test("an addition whose answer is lost is made once, and one that fails is made later", async () => {
    const db = new Database(instrument(env).DB);
    const request = { method: "GET", path: "/v2/", status: 200, duration: 100 };
    const value = async () =>
      (await listCounters(db)).find(({ name }) => name === "requests base GET 200")?.value;
    countRequest(request, Date.now());
    breakNext("DB.batch", "after");
    await addCounted(db, Date.now());
    expect(await value()).toBe(1);
    countRequest(request, Date.now());
    breakAlways("DB.batch", "after");
    await expect(addCounted(db, Date.now())).rejects.toThrow();
    healAll();
    countRequest(request, Date.now());
    await addCounted(db, Date.now());
    await addCounted(db, Date.now());
    expect(await value()).toBe(3);
  });

  test("additions are forgotten after a day", async () => {
    const db = new Database(env.DB);
    await addCounts(db, "one", new Map([["a", 1]]), 1000);
    await addCounts(db, "two", new Map([["a", 2]]), 1000 + 2 * 86_400_000);
    const { results } = await env.DB.prepare("SELECT id FROM counter_additions").all();
    expect(results).toEqual([{ id: "two" }]);
    expect(await listCounters(db)).toEqual([{ name: "a", value: 3 }]);
  });

  test("is shown to administrators, and to who has METRICS_TOKEN", async () => {
    expect((await request("GET", "/metrics", NOBODY)).status).toBe(401);
    await addUser("bob", {});
    const as = (authorization: string) =>
      request("GET", "/metrics", { headers: { Authorization: authorization } });
    expect((await as(basic("bob"))).status).toBe(403);
    expect((await as(`Bearer ${TOKEN}`)).status).toBe(401);
    setVariables({ METRICS_TOKEN: TOKEN } as Parameters<typeof setVariables>[0]);
    expect((await metrics(`Bearer ${TOKEN}`)).get("berth_blobs")).toBe(0);
    for (const wrong of [TOKEN.slice(1), `${TOKEN}x`, TOKEN.toUpperCase()])
      expect((await as(`Bearer ${wrong}`)).status).toBe(401);
    // It opens nothing else.
    const status = await request("GET", "/v2/_berth/status", {
      headers: { Authorization: `Bearer ${TOKEN}` },
    });
    expect(status.status).toBe(401);
  });
});

describe("READ_ONLY", () => {
  const REASON = "we are moving until noon";

  test("refuses pushes and deletions with the reason, and lets pulls go on", async () => {
    const digest = await pushImage("a", "latest", "config", ["layer"]);
    const session = await startUpload("a");
    setVariables({ READ_ONLY: REASON });
    const refused = [
      request("POST", "/v2/a/blobs/uploads/"),
      patch(session, "bytes"),
      close(session, digest),
      request("DELETE", session),
      request("PUT", "/v2/a/manifests/latest", { body: "{}" }),
      request("DELETE", "/v2/a/manifests/latest"),
      request("DELETE", `/v2/a/blobs/${digest}`),
    ];
    for (const answer of refused) {
      const response = await answer;
      expect([response.status, response.headers.get("Allow")]).toEqual([405, "GET, HEAD"]);
      const { errors } = (await response.json()) as { errors: { code: string; message: string }[] };
      expect(errors[0]?.code).toBe("UNSUPPORTED");
      expect(errors[0]?.message).toContain(REASON);
    }
    expect((await request("GET", "/v2/a/manifests/latest")).status).toBe(200);
    expect((await request("HEAD", "/v2/a/manifests/latest")).status).toBe(200);
    setVariables();
    expect((await patch(session, "bytes")).status).toBe(202);
  });

  test("refuses the forms of pages that change content, and no others", async () => {
    setVariables({ READ_ONLY: REASON });
    const page = (path: string) => request("POST", path, NOBODY);
    for (const path of ["/delete/a/latest", "/delete-repository/a", "/retag/a/latest"]) {
      const response = await page(path);
      expect(response.status).toBe(405);
      expect(await response.text()).toContain(REASON);
    }
    for (const path of ["/sign-in", "/sign-out", "/collection"])
      expect((await page(path)).status).not.toBe(405);
  });

  test("is shown by status and metrics", async () => {
    setVariables({ READ_ONLY: REASON });
    expect((await status()).readOnly).toBe(REASON);
    expect(await (await request("GET", "/metrics")).text()).toContain("\nberth_read_only 1\n");
  });

  test("tells nothing to who is not logged in", async () => {
    setVariables({ READ_ONLY: REASON });
    const response = await request("POST", "/v2/a/blobs/uploads/", {
      headers: { Authorization: basic("x") },
    });
    expect(response.status).toBe(401);
  });

  test("lets cron's collection wait, and an administrator's run", async () => {
    setVariables({ READ_ONLY: REASON });
    await expect(collected()).rejects.toThrow();
    expect((await request("POST", "/v2/_berth/gc")).status).toBe(200);
  });
});
