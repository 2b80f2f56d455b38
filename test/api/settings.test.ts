import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { imageOf, indexOf, pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { codesOf, pushBlob, putManifest, request, sha256 } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { onR2 } from "../support/stores.ts";

onR2();

describe("ALLOW_DELETE", () => {
  test('"false": every deletion is 405 UNSUPPORTED, and nothing goes', async () => {
    const digest = await pushImage("a", "latest", "config", []);
    setVariables({ ALLOW_DELETE: "false" });
    for (const path of ["manifests/latest", `manifests/${digest}`, `blobs/${sha256("config")}`]) {
      const response = await request("DELETE", `/v2/a/${path}`);
      expect([response.status, await codesOf(response)]).toEqual([405, ["UNSUPPORTED"]]);
      expect(response.headers.get("Allow")).toBe("GET, HEAD");
    }
    expect((await request("GET", "/v2/a/manifests/latest")).status).toBe(200);
  });
});

describe("ALLOW_SPARSE_INDEXES", () => {
  test('"true": an index may name manifests that are not here; blobs of an image must still be', async () => {
    setVariables({ ALLOW_SPARSE_INDEXES: "true" });
    expect((await putManifest("a", "latest", indexOf([imageOf("config", [])]))).status).toBe(201);
    expect((await putManifest("a", "latest", imageOf("config", []))).status).toBe(400);
  });
});

describe("MAX_CHUNK", () => {
  test("is what a client is told", async () => {
    setVariables({ MAX_CHUNK: "20MiB" });
    const response = await request("POST", "/v2/a/blobs/uploads/");
    expect(response.headers.get("OCI-Chunk-Max-Length")).toBe(String(20 * 1024 * 1024));
  });
});

describe("GRACE_PERIOD", () => {
  test("HEAD marks a blob as used once the last mark is older than a quarter of it", async () => {
    setVariables({ GRACE_PERIOD: "4h" });
    const digest = await pushBlob("a", "hello");
    const head = () => measure(() => request("HEAD", `/v2/a/blobs/${digest}`));
    const minute = 60_000;
    await env.DB.prepare("UPDATE repository_blobs SET used_at = ?1")
      .bind(Date.now() - 59 * minute)
      .run();
    expect((await head()).rowsWritten).toBe(0);
    await env.DB.prepare("UPDATE repository_blobs SET used_at = ?1")
      .bind(Date.now() - 61 * minute)
      .run();
    expect((await head()).rowsWritten).toBeGreaterThan(0);
    expect(await head()).toMatchObject({ queries: 1, rowsWritten: 0 });
  });
});

const STORE_KEYS = { STORE_ACCESS_KEY_ID: "key", STORE_SECRET_ACCESS_KEY: "very secret" };

describe("a setting that makes no sense", () => {
  test.each([
    { ALLOW_DELETE: "yes" },
    { ALLOW_DELETE: "" },
    { ALLOW_SPARSE_INDEXES: "1" },
    { GRACE_PERIOD: "24" },
    { GRACE_PERIOD: "0h" },
    { GRACE_PERIOD: "-1h" },
    { UNTAGGED_MANIFESTS: "never" },
    { UNTAGGED_MANIFESTS: "23h" },
    { ORPHAN_AGE: "24h" },
    { UPLOAD_EXPIRY: "soon" },
    { MAX_CHUNK: "95" },
    { MAX_CHUNK: "0MB" },
    { DATABASE_LIMIT: "10" },
    { DATABASE_LIMIT: "10 GB" },
    { STORE: "" },
    { STORE: "toString" },
    { STORE: "s3" },
    { STORE: "s3", STORE_URL: "https://s3.test/berth" },
    { STORE: "s3", STORE_URL: "http://s3.test/berth", ...STORE_KEYS },
    { STORE: "s3", STORE_URL: "https://s3.test/berth/", ...STORE_KEYS },
    { STORE: "s3", STORE_URL: "https://user:word@s3.test/berth", ...STORE_KEYS },
    { STORE: "s3", STORE_URL: "https://s3.test/berth?a=b", ...STORE_KEYS },
    { STORE: "s3", STORE_URL: "https://s3.test/berth", ...STORE_KEYS, STORE_SECRET_ACCESS_KEY: "" },
    { STORE: "gcs", STORE_URL: "", ...STORE_KEYS },
    { STORE_FALLBACK: "r2" },
    { STORE_FALLBACK: "s3", STORE_FALLBACK_URL: "https://s3.test/berth", ...STORE_KEYS },
    { STORE: "azure", STORE_URL: "https://a.test/berth", STORE_SAS: "sv=1" },
    { STORE: "azure", STORE_URL: "https://a.test/berth", STORE_SAS: "sig=a", REDIRECT_BLOBS_FROM: "1MB" },
    { STORE: "azure", STORE_URL: "https://a.test/berth", ...STORE_KEYS },
    {
      STORE: "azure",
      STORE_URL: "https://a.test/berth",
      STORE_SAS: "sig=a",
      STORE_SECRET_ACCESS_KEY: "a2V5",
    },
  ])("%j fails every request, and tells no client why", async (variables) => {
    setVariables(variables);
    const response = await request("GET", "/v2/");
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain(Object.keys(variables)[0]);
  });
});
