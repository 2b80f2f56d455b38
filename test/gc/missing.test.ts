/** Objects that have gone from under their rows: said to be gone, and healed by a push. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { bucket } from "../support/bucket.ts";
import { interleave } from "../support/faults.ts";
import { imageOf, indexOf, pushImage } from "../support/images.ts";
import {
  close,
  codesOf,
  noise,
  patch,
  pullBlob,
  pushBlob,
  putManifest,
  request,
  sha256,
  startUpload,
  streamOf,
  textOf,
} from "../support/registry.ts";
import { age, collected, expectSound, objectKeys, sweep } from "./support.ts";

const LAYER = "layer";
const BLOB = `/v2/a/blobs/${sha256(LAYER)}`;
const PART = 8 * 1024 * 1024;

async function loseObjects(prefix: string): Promise<void> {
  const keys = (await objectKeys()).filter((key) => key.startsWith(prefix));
  expect(keys.length).toBeGreaterThan(0);
  await bucket.delete(keys);
}

describe("a blob whose object has gone", () => {
  /** Each road by which it can come back. */
  const roads: [road: string, push: () => Promise<Response>][] = [
    ["a POST", () => request("POST", `/v2/a/blobs/uploads/?digest=${sha256(LAYER)}`, { body: LAYER })],
    ["a whole PUT", async () => close(await startUpload("a"), sha256(LAYER), { body: LAYER })],
    [
      "a PATCH and a PUT",
      async () => {
        const location = await startUpload("a");
        await patch(location, streamOf([new TextEncoder().encode(LAYER)]));
        return close(location, sha256(LAYER));
      },
    ],
    [
      "a push to another repository",
      async () => close(await startUpload("b"), sha256(LAYER), { body: LAYER }),
    ],
  ];

  for (const [road, push] of roads) {
    for (const noticed of [true, false]) {
      test(`comes back with ${road}, ${noticed ? "when a GET has noticed" : "before anybody noticed"}`, async () => {
        await pushImage("a", "latest", "config", [LAYER]);
        await loseObjects("blobs/");
        if (noticed) {
          expect((await request("GET", BLOB)).status).toBe(404);
          expect((await request("HEAD", BLOB)).status).toBe(404);
        }
        expect((await push()).status).toBe(201);
        expect(await pullBlob("a", sha256(LAYER))).toBe(LAYER);
        expect((await request("HEAD", BLOB)).status).toBe(200);
        // The other blob of the image is still missing.
        await pushBlob("a", "config");
        await sweep();
        expect(await pullBlob("a", sha256(LAYER))).toBe(LAYER);
        expect(await objectKeys()).toHaveLength(2);
        await expectSound();
      });
    }
  }

  test("is said to be gone by HEAD once a GET has found out, and is in the log", async () => {
    await pushBlob("a", LAYER);
    await loseObjects("blobs/");
    const response = await request("GET", BLOB);
    expect([response.status, await codesOf(response)]).toEqual([404, ["BLOB_UNKNOWN"]]);
    expect((await request("HEAD", BLOB)).status).toBe(404);
    expect((await request("GET", BLOB, { headers: { Range: "bytes=0-1" } })).status).toBe(404);
  });

  test("cannot be mounted, nor named by a manifest, so that clients push it", async () => {
    await pushBlob("a", "config");
    await pushBlob("a", LAYER);
    const [, key] = await objectKeys();
    await bucket.delete(key as string);
    for (const content of ["config", LAYER]) await request("GET", `/v2/a/blobs/${sha256(content)}`);
    const gone = [];
    for (const content of ["config", LAYER])
      if ((await request("HEAD", `/v2/a/blobs/${sha256(content)}`)).status === 404) gone.push(content);
    expect(gone).toHaveLength(1);
    const digest = sha256(gone[0] as string);
    expect((await request("POST", `/v2/b/blobs/uploads/?mount=${digest}&from=a`)).status).toBe(202);
    const manifest = await putManifest("a", "latest", imageOf("config", [LAYER]));
    expect([manifest.status, await codesOf(manifest)]).toEqual([400, ["MANIFEST_BLOB_UNKNOWN"]]);
    await pushBlob("a", gone[0] as string);
    expect((await putManifest("a", "latest", imageOf("config", [LAYER]))).status).toBe(201);
    await expectSound();
  });

  test("a truncated object is replaced as well", async () => {
    await pushBlob("a", LAYER);
    await bucket.put((await objectKeys())[0] as string, "lay");
    await pushBlob("a", LAYER);
    expect(await pullBlob("a", sha256(LAYER))).toBe(LAYER);
    await sweep();
    expect(await objectKeys()).toHaveLength(1);
  });

  test("two pushes that replace it at once: one object stays", async () => {
    await pushBlob("a", LAYER);
    await loseObjects("blobs/");
    interleave("BUCKET.head", () => pushBlob("b", LAYER));
    await pushBlob("a", LAYER);
    expect(await pullBlob("a", sha256(LAYER))).toBe(LAYER);
    expect(await pullBlob("b", sha256(LAYER))).toBe(LAYER);
    await sweep();
    expect(await objectKeys()).toHaveLength(1);
    await expectSound();
  });

  test("a good duplicate takes nothing away: the new object goes, the old one stays", async () => {
    await pushBlob("a", LAYER);
    const before = await objectKeys();
    await pushBlob("b", LAYER);
    expect(await objectKeys()).toEqual(before);
  });

  test("that is collected dooms nothing that lives", async () => {
    await pushBlob("a", LAYER);
    await loseObjects("blobs/");
    await request("GET", BLOB);
    await age(2);
    await collected();
    await pushBlob("a", LAYER);
    await sweep();
    expect(await pullBlob("a", sha256(LAYER))).toBe(LAYER);
  });

  test("of several parts comes back likewise", async () => {
    const content = noise(PART + 5);
    const push = async () => {
      const location = await startUpload("a");
      await patch(location, content);
      return close(location, sha256(content));
    };
    await push();
    await loseObjects("blobs/");
    expect((await push()).status).toBe(201);
    const response = await request("GET", `/v2/a/blobs/${sha256(content)}`);
    expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(content));
    await expectSound();
  });
});

describe("a large manifest whose object has gone", () => {
  const large = JSON.stringify({ ...imageOf("config", []), padding: "x".repeat(1_100_000) });
  const path = `/v2/a/manifests/${sha256(large)}`;

  for (const noticed of [true, false]) {
    test(`comes back with its push, ${noticed ? "when a GET has noticed" : "before anybody noticed"}`, async () => {
      await pushBlob("a", "config");
      await putManifest("a", "latest", large, { "Content-Type": imageOf("config", []).mediaType });
      await loseObjects("manifests/");
      if (noticed) {
        for (const reference of [path, "/v2/a/manifests/latest"]) {
          const response = await request("GET", reference);
          expect([response.status, await codesOf(response)]).toEqual([404, ["MANIFEST_UNKNOWN"]]);
          expect((await request("HEAD", reference)).status).toBe(404);
        }
      }
      expect(
        (await putManifest("a", "latest", large, { "Content-Type": imageOf("config", []).mediaType })).status,
      ).toBe(201);
      expect(await textOf(await request("GET", path))).toBe(large);
      expect((await request("HEAD", "/v2/a/manifests/latest")).status).toBe(200);
      await sweep();
      expect(await textOf(await request("GET", path))).toBe(large);
      await expectSound();
    });
  }

  test("cannot be named by an index until it is back", async () => {
    await pushBlob("a", "config");
    const mediaType = imageOf("config", []).mediaType;
    await putManifest("a", "latest", large, { "Content-Type": mediaType });
    await loseObjects("manifests/");
    await request("GET", path);
    const index = indexOf([], { manifests: [{ mediaType, digest: sha256(large), size: large.length }] });
    expect((await putManifest("a", "index", index)).status).toBe(400);
    await putManifest("a", "latest", large, { "Content-Type": mediaType });
    expect((await putManifest("a", "index", index)).status).toBe(201);
  });

  test("pushed again while its object is there keeps it, and leaves no second one", async () => {
    await pushBlob("a", "config");
    for (const tag of ["one", "two"])
      await putManifest("a", tag, large, { "Content-Type": imageOf("config", []).mediaType });
    expect((await objectKeys()).filter((key) => key.startsWith("manifests/"))).toHaveLength(1);
  });
});

afterEach(() =>
  expect(env.DB.prepare("PRAGMA foreign_key_check").all()).resolves.toMatchObject({ results: [] }),
);
