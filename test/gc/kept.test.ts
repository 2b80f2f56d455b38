/** How long things are kept: bytes after their deletion, manifests and blobs after nothing names them any more. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { imageOf, indexOf, pushImage } from "../support/images.ts";
import { pullBlob, pushBlob, putManifest, request, sha256 } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { age, collect, collected, expectSound, objectKeys, restoreRows, saveRows } from "./support.ts";

afterEach(expectSound);

async function ageDoomed(days: number): Promise<void> {
  await env.DB.prepare("UPDATE doomed_objects SET doomed_at = doomed_at - ?1")
    .bind(days * 86_400_000)
    .run();
}

describe("the bytes of what was deleted", () => {
  test("wait for DELETED_BYTES_KEPT, and are told of as waiting", async () => {
    await pushBlob("a", "hello");
    await age(2);
    const taken = await collect();
    expect([taken.taken.blobs, taken.objectsDeleted, taken.waiting]).toEqual([
      { count: 1, bytes: 5 },
      0,
      { count: 1, bytes: 5 },
    ]);
    await ageDoomed(6.9);
    expect((await collect(true)).waiting).toEqual({ count: 1, bytes: 5 });
    expect((await collect()).objectsDeleted).toBe(0);
    expect(await objectKeys()).toHaveLength(1);
    await ageDoomed(0.2);
    const deleted = await collect();
    expect([deleted.objectsDeleted, deleted.waiting]).toEqual([1, { count: 0, bytes: 0 }]);
    expect(await objectKeys()).toEqual([]);
  });

  test("are there for a database that is restored to the day before", async () => {
    const digest = await pushImage("a", "latest", "config", ["layer"]);
    const before = await saveRows();
    await request("DELETE", `/v2/a/manifests/${digest}`);
    await age(2);
    await collected();
    await age(2);
    expect(await pullBlob("a", sha256("layer"))).toBe("status 404");
    await restoreRows(before);
    expect((await request("GET", "/v2/a/manifests/latest")).status).toBe(200);
    expect(await pullBlob("a", sha256("layer"))).toBe("layer");
  });

  test("go with the next collection where nothing is to be kept", async () => {
    setVariables({ DELETED_BYTES_KEPT: "0" });
    await pushBlob("a", "hello");
    await age(2);
    await collect();
    expect((await collect()).objectsDeleted).toBe(1);
  });
});

describe("UNTAGGED_MANIFESTS counts", () => {
  test("from the moment that the tag was deleted", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    await pushImage("a", "latest", "config", []);
    await age(30);
    await request("DELETE", "/v2/a/manifests/latest");
    expect(await collected()).toEqual({});
    await age(6);
    expect(await collected()).toEqual({});
    await age(2);
    expect(await collected()).toEqual({ manifests: 1 });
  });

  test("from the moment that the tag moved away", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    await pushImage("a", "latest", "old", []);
    await age(30);
    await pushImage("a", "latest", "new", []);
    expect(await collected()).toEqual({});
    await age(6);
    expect(await collected()).toEqual({});
    await age(2);
    expect(await collected()).toEqual({ manifests: 1 });
  });

  test("from the deletion of the index that named it", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    await pushImage("a", null, "config", []);
    const index = indexOf([imageOf("config", [])]);
    await putManifest("a", "latest", index);
    await age(30);
    await request("DELETE", `/v2/a/manifests/${sha256(JSON.stringify(index))}`);
    expect(await collected()).toEqual({});
    await age(6);
    expect(await collected()).toEqual({});
    await age(2);
    expect(await collected()).toEqual({ manifests: 1 });
  });

  test("not while another tag or an index holds it", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    await pushImage("a", "one", "config", []);
    await pushImage("a", "two", "config", []);
    await putManifest("a", "index", indexOf([imageOf("config", [])]));
    await request("DELETE", "/v2/a/manifests/one");
    await age(30);
    expect(await collected()).toEqual({});
    await request("DELETE", "/v2/a/manifests/two");
    await age(30);
    expect(await collected()).toEqual({});
  });
});

describe("GRACE_PERIOD counts", () => {
  test("from the moment that a blob's last manifest went", async () => {
    const digest = await pushImage("a", "latest", "config", ["layer"]);
    await age(30);
    await request("DELETE", `/v2/a/manifests/${digest}`);
    expect(await collected()).toEqual({});
    await age(0.9);
    expect(await collected()).toEqual({});
    expect(await pullBlob("a", sha256("layer"))).toBe("layer");
    await age(0.2);
    expect(await collected()).toEqual({ links: 2, blobs: 2, repositories: 1 });
  });
});
