/** What Google Cloud Storage does otherwise than S3, and how it is asked for that: docs/gcs.md. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { noise, sha256 } from "../../support/content.ts";
import { openWith, STORES } from "../../support/stores.ts";

interface Asked {
  method: string;
  query: URLSearchParams;
  headers: Headers;
}

const asked: Asked[] = [];
/** Of DELETE, on their way at once. */
let most = 0;
const real = globalThis.fetch;

beforeEach(() => {
  asked.length = 0;
  most = 0;
  let now = 0;
  globalThis.fetch = async (input, init) => {
    const { method, url, headers } = new Request(input, { ...init, body: null });
    asked.push({ method, query: new URL(url).searchParams, headers });
    if (method !== "DELETE") return real(input, init);
    most = Math.max(most, ++now);
    return real(input, init).finally(() => now--);
  };
});
afterEach(() => {
  globalThis.fetch = real;
});

const MiB = 1024 ** 2;

describe("Google Cloud Storage", () => {
  test("is asked for everything as it can answer", async () => {
    const objects = openWith(await STORES.gcs());
    const content = noise(MiB);
    const body = new Response(content).body as ReadableStream<Uint8Array>;
    await objects.putVerified("blobs/a", body, MiB, sha256(content));
    await objects.put("blobs/b", "hello");
    await objects.get("blobs/b", { offset: 1, length: 2 });
    await objects.list("blobs/", null, 10);
    const multipart = await objects.beginMultipart("blobs/c");
    const part = await objects.putPart(multipart, 1, content);
    await objects.completeMultipart(multipart, part === null ? [] : [part]);
    await objects.abortMultipart(await objects.beginMultipart("blobs/d"));
    expect((await objects.list("blobs/", null, 10)).objects).toHaveLength(3);

    expect(asked.length).toBeGreaterThan(8);
    for (const { headers } of asked) {
      // No aws-chunked: neither what it is called, nor what it is signed by.
      expect(headers.get("Content-Encoding")).toBe(null);
      expect(headers.get("X-Amz-Content-Sha256")).toBe("UNSIGNED-PAYLOAD");
      expect([...headers.keys()]).not.toContain("x-amz-decoded-content-length");
      const authorization = headers.get("Authorization") ?? "";
      expect(authorization).toMatch(/Credential=[^/]+\/\d{8}\/auto\/s3\/aws4_request/);
      // Its front end changes this one.
      expect(authorization).not.toMatch(/SignedHeaders=[^,]*accept-encoding/);
      // Nothing is composed of other objects, whose limit of 32 would be one.
      expect([...headers.keys()].filter((name) => /copy-source|x-goog/.test(name))).toEqual([]);
    }
    expect(asked.filter(({ query }) => query.has("compose"))).toEqual([]);
  });

  test("deletes many keys one by one, a few at a time", async () => {
    const objects = openWith(await STORES.gcs());
    const keys = Array.from({ length: 12 }, (_, index) => `blobs/${index}`);
    for (const key of keys) await objects.put(key, key);
    asked.length = 0;
    await objects.delete(keys);
    expect(asked.map(({ method }) => method)).toEqual(keys.map(() => "DELETE"));
    expect(most).toBe(5);
    expect((await objects.list("blobs/", null, 20)).objects).toEqual([]);
  });

  test("S3 is asked to delete them at once", async () => {
    const objects = openWith(await STORES.s3());
    await objects.delete(["blobs/1", "blobs/2"]);
    expect(asked.map(({ method, query }) => [method, query.has("delete")])).toEqual([["POST", true]]);
  });

  test("a region of the settings is signed for", async () => {
    const region = "europe-west3";
    const objects = openWith({ ...(await STORES.gcs()), STORE_REGION: region });
    await objects.head("blobs/none").catch(() => {});
    expect(asked[0]?.headers.get("Authorization")).toContain(`/${region}/s3/aws4_request`);
  });
});
