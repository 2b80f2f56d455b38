/** REDIRECT_BLOBS_FROM: large blobs come from R2 itself, by a link that ends soon. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { bucket } from "../support/bucket.ts";
import { pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { pushBlob, request, sha256, textOf } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { onR2 } from "../support/stores.ts";

onR2();

const ENDPOINT = "https://account.r2.cloudflarestorage.com/berth";
const SECRETS = { R2_ACCESS_KEY_ID: "key", R2_SECRET_ACCESS_KEY: "very secret" };
const REDIRECT = { REDIRECT_BLOBS_FROM: "1MB", R2_S3_ENDPOINT: ENDPOINT, ...SECRETS };

const SMALL = "small";
const LARGE = "x".repeat(1_000_000);
const PATH = `/v2/a/blobs/${sha256(LARGE)}`;

beforeEach(async () => {
  await pushBlob("a", SMALL);
  await pushBlob("a", LARGE);
  setVariables(REDIRECT);
});

describe("a large blob", () => {
  test("is a signed link to its object, for a quarter of an hour, without reading its bytes", async () => {
    const costs = await measure(async () => {
      const response = await request("GET", PATH);
      expect([response.status, await textOf(response)]).toEqual([307, ""]);
      expect(response.headers.get("Docker-Content-Digest")).toBe(sha256(LARGE));
      expect(response.headers.get("Cache-Control")).toBe("no-store");
      const location = new URL(response.headers.get("Location") ?? "");
      const row = await env.DB.prepare("SELECT object_key FROM blobs WHERE size = 1000000").first();
      expect(`${location.origin}${location.pathname}`).toBe(`${ENDPOINT}/${row?.object_key}`);
      expect(Object.fromEntries(location.searchParams)).toMatchObject({
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": expect.stringMatching(/^key\/\d{8}\/auto\/s3\/aws4_request$/),
        "X-Amz-Expires": "900",
        "X-Amz-Signature": expect.stringMatching(/^[0-9a-f]{64}$/),
      });
      expect(location.href).not.toContain("secret");
    });
    expect(costs).toMatchObject({ queries: 1, r2: { head: 1 } });
  });

  test("is so for a range too, which the client asks of the link; one that cannot be is 416 here", async () => {
    expect((await request("GET", PATH, { headers: { Range: "bytes=5-9" } })).status).toBe(307);
    expect((await request("GET", PATH, { headers: { Range: "bytes=1000000-" } })).status).toBe(416);
  });

  test("is 404 when its object is gone, so that it is pushed again", async () => {
    const row = await env.DB.prepare("SELECT object_key FROM blobs WHERE size = 1000000").first();
    await bucket.delete(String(row?.object_key));
    expect((await request("GET", PATH)).status).toBe(404);
    expect((await request("HEAD", PATH)).status).toBe(404);
    await pushBlob("a", LARGE);
    expect((await request("GET", PATH)).status).toBe(307);
  });

  test("is answered here on HEAD", async () => {
    const response = await request("HEAD", PATH);
    expect([response.status, response.headers.get("Content-Length")]).toEqual([200, "1000000"]);
  });

  test("is nobody's without rights, in another repository, or once it is deleted", async () => {
    expect((await request("GET", PATH, { headers: { Authorization: "" } })).status).toBe(401);
    expect((await request("GET", PATH.replace("/a/", "/b/"))).status).toBe(404);
    expect((await request("DELETE", PATH)).status).toBe(202);
    expect((await request("GET", PATH)).status).toBe(404);
  });

  test("comes from here where a client would take its Authorization along", async () => {
    for (const url of ["https://registry.test/berth", "https://r2.registry.test/berth"]) {
      setVariables({ ...REDIRECT, R2_S3_ENDPOINT: url });
      expect(await textOf(await request("GET", PATH))).toBe(LARGE);
    }
    setVariables({ ...REDIRECT, R2_S3_ENDPOINT: "https://notregistry.test/berth" });
    expect((await request("GET", PATH)).status).toBe(307);
  });
});

test("a smaller blob and every manifest come from here", async () => {
  expect(await textOf(await request("GET", `/v2/a/blobs/${sha256(SMALL)}`))).toBe(SMALL);
  await pushImage("a", "latest", "config", [LARGE]);
  expect((await request("GET", "/v2/a/manifests/latest")).status).toBe(200);
});

test('"never" redirects nothing', async () => {
  setVariables({ ...REDIRECT, REDIRECT_BLOBS_FROM: "never" });
  expect(await textOf(await request("GET", PATH))).toBe(LARGE);
});

describe("a setting that makes no sense fails every request", () => {
  test.each([
    { REDIRECT_BLOBS_FROM: "1000" },
    { R2_S3_ENDPOINT: "" },
    { R2_S3_ENDPOINT: "http://account.r2.cloudflarestorage.com/berth" },
    { R2_S3_ENDPOINT: `${ENDPOINT}/` },
    { R2_S3_ENDPOINT: `${ENDPOINT}?a=b` },
    { R2_S3_ENDPOINT: "https://account.r2.cloudflarestorage.com" },
    { R2_S3_ENDPOINT: "https://user:word@account.r2.cloudflarestorage.com/berth" },
    { R2_ACCESS_KEY_ID: "" },
    { R2_SECRET_ACCESS_KEY: "" },
  ])("%j", async (wrong) => {
    setVariables({ ...REDIRECT, ...wrong });
    expect((await request("GET", "/v2/")).status).toBe(500);
  });
});
