/** A key that is doomed comes to no row, and a key that a row names is not doomed: whoever is late, and asks again. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { doomUncommitted, dropRefused, replaceObject } from "../../src/storage/blob-push.ts";
import { mainStores } from "../../src/storage/stores.ts";
import { pushImage } from "../support/images.ts";
import { pullBlob, pushBlob, request, sha256 } from "../support/registry.ts";

const { db } = mainStores(env);
const DIGEST = sha256("content");

async function keyOf(digest: string): Promise<string> {
  const row = await env.DB.prepare("SELECT object_key FROM blobs WHERE digest = ?1").bind(digest).first();
  return String(row?.object_key);
}

async function doomedKeys(): Promise<unknown[]> {
  const { results } = await env.DB.prepare("SELECT object_key FROM doomed_objects").all();
  return results.map(({ object_key }) => object_key);
}

beforeEach(async () => {
  await pushBlob("a", "content");
});

describe("a row whose object is to be replaced", () => {
  const fresh = { key: "blobs/fresh", digest: DIGEST, size: 7 };

  test("takes the new one, and dooms the old", async () => {
    const old = await keyOf(DIGEST);
    await replaceObject(db, fresh, old);
    expect([await keyOf(DIGEST), await doomedKeys()]).toEqual([fresh.key, [old]]);
  });

  test("keeps the old one when the new one has been doomed meanwhile", async () => {
    const old = await keyOf(DIGEST);
    await env.DB.prepare("INSERT INTO doomed_objects (object_key, bytes, doomed_at) VALUES (?1, 7, 1)")
      .bind(fresh.key)
      .run();
    await replaceObject(db, fresh, old);
    expect([await keyOf(DIGEST), await doomedKeys()]).toEqual([old, [fresh.key]]);
    expect(await pullBlob("a", DIGEST)).toBe("content");
  });

  test("keeps the old one when the new one has become another's", async () => {
    const old = await keyOf(DIGEST);
    const other = await pushBlob("a", "other");
    await replaceObject(db, { ...fresh, key: await keyOf(other) }, old);
    expect([await keyOf(DIGEST), await doomedKeys()]).toEqual([old, []]);
  });

  test("keeps what another replacement has brought", async () => {
    const old = await keyOf(DIGEST);
    await replaceObject(db, fresh, old);
    await replaceObject(db, { ...fresh, key: "blobs/late" }, old);
    expect([await keyOf(DIGEST), await doomedKeys()]).toEqual([fresh.key, [old]]);
  });

  test("dooms no bytes that are in quarantine", async () => {
    const old = await keyOf(DIGEST);
    await env.DB.prepare("INSERT INTO quarantined_objects (object_key, digest, found_at) VALUES (?1, ?2, 1)")
      .bind(old, DIGEST)
      .run();
    await replaceObject(db, fresh, old);
    expect(await doomedKeys()).toEqual([]);
  });
});

describe("an object of which it is not known whether its commit went through", () => {
  test("is doomed unless it has become a blob", async () => {
    await doomUncommitted(db, await keyOf(DIGEST), 7, 1);
    expect(await doomedKeys()).toEqual([]);
    await doomUncommitted(db, "blobs/nobodys", 7, 1);
    expect(await doomedKeys()).toEqual(["blobs/nobodys"]);
  });

  test("is deleted when its push was refused, unless a blob or a manifest has it", async () => {
    const stores = mainStores(env);
    const digest = await pushImage("a", "large", "config", [], { padding: "x".repeat(1_100_000) });
    const manifest = await env.DB.prepare("SELECT object_key FROM manifests WHERE digest = ?1")
      .bind(digest)
      .first();
    await dropRefused(stores, await keyOf(DIGEST), 7);
    await dropRefused(stores, String(manifest?.object_key), 7);
    expect(await doomedKeys()).toEqual([]);
    expect(await pullBlob("a", DIGEST)).toBe("content");
    expect((await request("GET", `/v2/a/manifests/${digest}`)).status).toBe(200);
    await stores.objects.put("blobs/nobodys", "bytes");
    await dropRefused(stores, "blobs/nobodys", 5);
    expect([await doomedKeys(), await stores.objects.head("blobs/nobodys")]).toEqual([
      ["blobs/nobodys"],
      null,
    ]);
  });
});
