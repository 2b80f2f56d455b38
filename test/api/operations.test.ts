/** What each call costs: D1 queries and rows, R2 calls, Durable Object requests. */

import { describe, expect, test } from "vitest";
import { imageOf, indexOf, manifestDescriptor, pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { setPolicy } from "../support/policies.ts";
import { pullEverything } from "../support/pulls.ts";
import {
  close,
  noise,
  patch,
  pushBlob,
  putManifest,
  request,
  sha256,
  startUpload,
  streamOf,
} from "../support/registry.ts";
import { onR2 } from "../support/stores.ts";

onR2();

const MIB = 1024 * 1024;
const PART = 8 * MIB;

describe("reading", () => {
  test("manifest GET and HEAD, by tag and by digest: 1 query, no R2", async () => {
    const digest = await pushImage("a", "latest", "config", ["layer"]);
    await pullEverything();
    for (const reference of ["latest", digest]) {
      for (const method of ["GET", "HEAD"]) {
        const costs = await measure(() => request(method, `/v2/a/manifests/${reference}`));
        expect(costs).toMatchObject({ queries: 1, r2: {}, durableObjects: 0, rowsWritten: 0 });
        expect(costs.rowsRead).toBeLessThanOrEqual(4);
      }
    }
  });

  test("manifest above 1 MB: 1 query, 1 R2 call", async () => {
    await pushImage("a", "latest", "config", [], { padding: "x".repeat(1_100_000) });
    await pullEverything();
    const costs = await measure(() => request("GET", "/v2/a/manifests/latest"));
    expect(costs).toMatchObject({ queries: 1, r2: { get: 1 } });
  });

  test("blob GET: 1 query, 1 R2 call; HEAD: 1 query, no R2, nothing written", async () => {
    const digest = await pushBlob("a", "hello");
    const get = await measure(async () => (await request("GET", `/v2/a/blobs/${digest}`)).arrayBuffer());
    expect(get).toMatchObject({ queries: 1, r2: { get: 1 }, durableObjects: 0 });
    const head = await measure(() => request("HEAD", `/v2/a/blobs/${digest}`));
    expect(head).toMatchObject({ queries: 1, r2: {}, rowsWritten: 0 });
    expect(head.rowsRead).toBeLessThanOrEqual(4);
  });

  test("a mount: no more than 2 queries, no R2", async () => {
    const digest = await pushBlob("a", "hello");
    for (const query of [`?mount=${digest}&from=a`, `?mount=${digest}`]) {
      const costs = await measure(() => request("POST", `/v2/b/blobs/uploads/${query}`));
      expect(costs).toMatchObject({ r2: {}, durableObjects: 0 });
      expect(costs.queries).toBeLessThanOrEqual(2);
    }
  });
});

describe("lists: 1 query, rows read by the page and not by the repository", () => {
  test("tags, catalog, referrers", async () => {
    const subject = manifestDescriptor(imageOf("config", []));
    await pushBlob("a", "config");
    const tags = Array.from({ length: 100 }, (_, index) => `tag=t${index + 100}`).join("&");
    for (let index = 0; index < 60; index++) {
      const manifest = imageOf("config", [], { subject, annotations: { index: String(index) } });
      const query = index === 0 ? `?${tags}` : "";
      await putManifest("a", `${sha256(JSON.stringify(manifest))}${query}`, manifest);
    }
    for (let index = 100; index < 160; index++) {
      await putManifest(`r${index}`, "latest", indexOf([], { index }));
    }
    const pages: [string, number][] = [
      ["/v2/a/tags/list?n=5", 5],
      ["/v2/a/tags/list?n=5&last=t150", 5],
      ["/v2/_catalog?n=5", 5],
      ["/v2/_catalog?n=5&last=r130", 5],
      [`/v2/a/referrers/${subject.digest}`, 60],
      [`/v2/a/referrers/${subject.digest}?artifactType=none`, 0],
      [`/v2/a/referrers/${sha256("nobody")}`, 0],
    ];
    for (const [path, entries] of pages) {
      const costs = await measure(() => request("GET", path));
      expect(costs).toMatchObject({ queries: 1, r2: {}, durableObjects: 0, rowsWritten: 0 });
      expect([path, costs.rowsRead <= 2 * (entries + 1) + 3]).toEqual([path, true]);
    }
  });
});

describe("pushing", () => {
  /** As docker does: POST, one PATCH of unknown length, empty PUT, HEAD. */
  async function pushAsDocker(name: string, content: Uint8Array<ArrayBuffer>): Promise<void> {
    const location = await startUpload(name);
    await patch(location, streamOf([content]));
    expect((await close(location, sha256(content))).status).toBe(201);
    expect((await request("HEAD", `/v2/${name}/blobs/${sha256(content)}`)).status).toBe(200);
  }

  test("an image of N new layers as docker pushes it: at most 3N+5 queries, one R2 write a layer", async () => {
    const n = 10;
    const layers = Array.from({ length: n }, (_, index) => `layer ${index}`);
    const costs = await measure(async () => {
      for (const content of ["config", ...layers])
        await pushAsDocker("a", Uint8Array.from(Buffer.from(content)));
      expect((await putManifest("a", "latest", imageOf("config", layers))).status).toBe(201);
    });
    expect(costs.queries).toBeLessThanOrEqual(3 * n + 5);
    expect(costs.r2).toEqual({ put: n + 1 });
    expect(costs.durableObjects).toBe(3 * (n + 1));
  });

  test("a deletion of a tag or a manifest: 2 queries, or 3 where a policy concerns the repository", async () => {
    const digest = await pushImage("a", "v1", "config", []);
    await pushImage("a", "v2", "config", []);
    const remove = (reference: string) =>
      measure(async () => {
        const response = await request("DELETE", `/v2/a/manifests/${reference}`);
        expect(response.status).toBe(202);
      });
    expect((await remove("v1")).queries).toBe(2);
    await setPolicy("other", ["a"], ["kept"]);
    expect((await remove("v2")).queries).toBe(2);
    expect((await remove(digest)).queries).toBe(3);
  });

  test("a whole-body PUT, as containerd does: 2 queries, one R2 write, 2 Durable Object requests", async () => {
    const costs = await measure(() => pushBlob("a", "hello"));
    expect(costs).toMatchObject({ queries: 2, r2: { put: 1 }, durableObjects: 2 });
  });

  test("a whole-body POST: 2 queries, one R2 write, no Durable Object", async () => {
    const costs = await measure(() =>
      request("POST", `/v2/a/blobs/uploads/?digest=${sha256("hello")}`, { body: "hello" }),
    );
    expect(costs).toMatchObject({ queries: 2, r2: { put: 1 }, durableObjects: 0 });
  });

  test.each([5 * MIB - 1, PART - 1])("a layer of %d bytes in chunks: one R2 write", async (size) => {
    const content = noise(size);
    const costs = await measure(async () => {
      const location = await startUpload("a");
      for (let start = 0; start < size; start += MIB)
        await patch(location, content.slice(start, start + MIB));
      await close(location, sha256(content));
    });
    expect(costs.r2).toEqual({ put: 1 });
  });

  test.each([PART, 3 * PART, 5 * PART + 1])(
    "a layer of %d bytes: size / part + 2 R2 writes",
    async (size) => {
      const costs = await measure(() => pushAsDocker("a", noise(size)));
      expect(costs.r2).toEqual({ createMultipartUpload: 1, uploadPart: Math.ceil(size / PART), complete: 1 });
    },
  );

  test("an upload of what is there already adds no object", async () => {
    await pushBlob("a", "hello");
    const costs = await measure(() => pushBlob("b", "hello"));
    expect(costs).toMatchObject({ queries: 2, r2: { put: 1, delete: 1 } });
  });
});
