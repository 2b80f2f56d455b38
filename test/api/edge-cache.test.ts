/** Blobs come from Cloudflare's cache once they are there, and only to those who may have them at that moment. */

import { env } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { areaOf } from "../../src/storage/stores.ts";
import { cacheBefore, setEdge } from "../support/edge.ts";
import { breakAlways, healAll } from "../support/faults.ts";
import { measure } from "../support/meter.ts";
import { noise, pullBlob, pushBlob, request, sha256, textOf } from "../support/registry.ts";
import { databaseName, setVariables } from "../support/settings.ts";
import { addUser, basic } from "../support/users.ts";

let asked: { path: string; hit: boolean }[] = [];

beforeEach(async () => {
  asked = await cacheBefore(exports.StoredObjects);
});

afterEach(() => {
  setEdge(null);
  healAll();
});

const HELLO = "hello";

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return request("GET", path, { headers });
}

describe("the cache", () => {
  test("gives a blob the second time, without a read of the store", async () => {
    const digest = await pushBlob("a", HELLO);
    expect(await textOf(await get(`/v2/a/blobs/${digest}`))).toBe(HELLO);
    const { r2 } = await measure(async () => {
      const response = await get(`/v2/a/blobs/${digest}`);
      expect([response.status, response.headers.get("Content-Length")]).toEqual([200, "5"]);
      expect(await textOf(response)).toBe(HELLO);
    });
    expect(r2).toEqual({});
    expect(asked.map(({ hit }) => hit)).toEqual([false, true]);
  });

  test("gives ranges of it, of a blob that it has and of one that it has not", async () => {
    const bytes = noise(300_000);
    const digest = await pushBlob("a", bytes);
    for (const hit of [false, true]) {
      const response = await get(`/v2/a/blobs/${digest}`, { Range: "bytes=100000-199999" });
      expect([response.status, response.headers.get("Content-Range")]).toEqual([
        206,
        "bytes 100000-199999/300000",
      ]);
      const part = new Uint8Array(await response.arrayBuffer());
      expect(sha256(part)).toBe(sha256(bytes.subarray(100_000, 200_000)));
      expect(asked.at(-1)?.hit).toBe(hit);
    }
  });

  test("is not asked for a small range, for which it may take in the whole", async () => {
    const digest = await pushBlob("a", noise(300_000));
    const response = await get(`/v2/a/blobs/${digest}`, { Range: "bytes=0-9" });
    expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([206, 10]);
    expect(asked).toEqual([]);
  });

  test("knows objects by their keys, never digests or repositories, and is told of nobody's credentials", async () => {
    const digest = await pushBlob("a", HELLO);
    const seen: [string, string[]][] = [];
    setEdge({
      fetch: async (input, init) => {
        const { url, headers } = new Request(input, init);
        seen.push([new URL(url).pathname, [...headers.keys()]]);
        return exports.StoredObjects.fetch(input, init);
      },
    });
    await textOf(await get(`/v2/a/blobs/${digest}`, { Range: "bytes=1-2" }));
    const row = await env.DB.prepare("SELECT object_key FROM blobs").first<{ object_key: string }>();
    const key = `${areaOf(databaseName())}${row?.object_key}`;
    expect(seen).toEqual([[`/${encodeURIComponent(key)}`, ["range"]]]);
  });

  test("is not asked for a blob that is larger than what it keeps, nor when EDGE_CACHE is false", async () => {
    const digest = await pushBlob("a", HELLO);
    setVariables({ EDGE_CACHE: "false" });
    expect(await textOf(await get(`/v2/a/blobs/${digest}`))).toBe(HELLO);
    setVariables({ EDGE_CACHE: "true" });
    await env.DB.prepare("UPDATE blobs SET size = 512 * 1024 * 1024 + 1").run();
    await (await get(`/v2/a/blobs/${digest}`)).body?.cancel();
    expect(asked).toEqual([]);
  });
});

describe("what the cache has", () => {
  test("is not for a repository that has not the blob, nor for one that has it no longer", async () => {
    const digest = await pushBlob("a", HELLO);
    await pushBlob("b", HELLO);
    await textOf(await get(`/v2/a/blobs/${digest}`));
    expect((await get(`/v2/c/blobs/${digest}`)).status).toBe(404);
    expect((await request("DELETE", `/v2/a/blobs/${digest}`)).status).toBe(202);
    expect((await get(`/v2/a/blobs/${digest}`)).status).toBe(404);
    expect(asked).toHaveLength(1);
    // The other repository's is the same object.
    expect(await textOf(await get(`/v2/b/blobs/${digest}`))).toBe(HELLO);
    expect(asked.at(-1)?.hit).toBe(true);
  });

  test("is not for a user who has been removed, whose rights end, or who is nobody", async () => {
    const digest = await pushBlob("team/a", HELLO);
    await addUser("alice", { access: [{ repositories: ["team/**"], actions: ["pull"] }] });
    const alice = { Authorization: basic("alice") };
    expect(await textOf(await get(`/v2/team/a/blobs/${digest}`, alice))).toBe(HELLO);
    await addUser("alice", { access: [{ repositories: ["other/**"], actions: ["pull"] }] });
    expect((await get(`/v2/team/a/blobs/${digest}`, alice)).status).toBe(403);
    await env.USERS.delete("alice");
    expect((await get(`/v2/team/a/blobs/${digest}`, alice)).status).toBe(401);
    expect((await get(`/v2/team/a/blobs/${digest}`, { Authorization: "" })).status).toBe(401);
    expect(asked).toHaveLength(1);
  });

  test("is not what a digest is answered with that was pushed again: that has an object of its own", async () => {
    const digest = await pushBlob("a", HELLO);
    await textOf(await get(`/v2/a/blobs/${digest}`));
    await env.DB.prepare("UPDATE blobs SET object_key = 'blobs/gone'").run();
    expect((await get(`/v2/a/blobs/${digest}`)).status).toBe(404);
    await pushBlob("a", HELLO);
    expect(await textOf(await get(`/v2/a/blobs/${digest}`))).toBe(HELLO);
    expect(new Set(asked.map(({ path }) => path)).size).toBe(3);
  });
});

describe("a cache that does not do what it should costs nobody a pull", () => {
  const PULLS: [string, () => Promise<Response>][] = [
    ["fails", () => Promise.reject(new Error("the edge is away"))],
    ["answers 503", async () => new Response("busy", { status: 503 })],
    ["answers 404", async () => new Response(null, { status: 404 })],
    ["has less than the whole", async () => new Response("hell", { headers: { "Content-Length": "4" } })],
    ["has no length", async () => new Response(new Blob([HELLO]).stream())],
  ];

  test.each(PULLS)("as it %s", async (_, fetch) => {
    const digest = await pushBlob("a", HELLO);
    setEdge({ fetch });
    expect(await pullBlob("a", digest)).toBe(HELLO);
  });

  test("as it answers a range with the whole, or with another", async () => {
    const digest = await pushBlob("a", HELLO);
    for (const [status, range] of [
      [200, ""],
      [206, "bytes 0-4/5"],
      [206, "bytes 2-3/5"],
    ] as const) {
      const headers = { "Content-Length": range === "bytes 0-4/5" ? "5" : "2", "Content-Range": range };
      setEdge({
        fetch: async () =>
          new Response("xxxxx".slice(0, Number(headers["Content-Length"])), { status, headers }),
      });
      const response = await get(`/v2/a/blobs/${digest}`, { Range: "bytes=1-2" });
      expect([response.status, await textOf(response)]).toEqual([206, "el"]);
    }
  });

  test("and a store that fails behind it is 503, which the cache does not keep", async () => {
    const digest = await pushBlob("a", HELLO);
    breakAlways("BUCKET.get", "before");
    expect((await get(`/v2/a/blobs/${digest}`)).status).toBe(503);
    healAll();
    expect(await textOf(await get(`/v2/a/blobs/${digest}`))).toBe(HELLO);
  });
});

describe("without a cache, as in the simulator", () => {
  beforeEach(() => setEdge(null));

  test("the entrypoint itself gives the whole and ranges", async () => {
    const digest = await pushBlob("a", HELLO);
    expect(await textOf(await get(`/v2/a/blobs/${digest}`))).toBe(HELLO);
    const response = await get(`/v2/a/blobs/${digest}`, { Range: "bytes=1-2" });
    expect([response.status, await textOf(response)]).toEqual([206, "el"]);
  });
});
