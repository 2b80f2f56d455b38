/** What collection takes, and what it leaves. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { bucket } from "../support/bucket.ts";
import { interleave } from "../support/faults.ts";
import { descriptorOf, imageOf, indexOf, LAYER, manifestDescriptor, pushImage } from "../support/images.ts";
import { pullBlob, pushBlob, putManifest, request, sha256 } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { age, collected, dump, expectSound, objectKeys, sweep } from "./support.ts";

afterEach(expectSound);

async function has(name: string, reference: string): Promise<boolean> {
  return (await request("HEAD", `/v2/${name}/manifests/${reference}`)).status === 200;
}

function deleteManifest(name: string, reference: string): Promise<Response> {
  return request("DELETE", `/v2/${name}/manifests/${reference}`);
}

describe("links, blobs and their bytes", () => {
  test("an empty registry: nothing", async () => {
    expect(await collected()).toEqual({});
  });

  test("nothing that a manifest names, however old", async () => {
    await pushImage("a", "latest", "config", ["layer"]);
    await age(1000);
    expect(await collected()).toEqual({});
    expect(await pullBlob("a", sha256("layer"))).toBe("layer");
  });

  test("a blob without a manifest once the grace period is over, not before", async () => {
    await pushBlob("a", "hello");
    await age(0.9);
    expect(await collected()).toEqual({});
    await age(0.2);
    expect(await collected()).toEqual({ links: 1, blobs: 1, repositories: 1 });
    expect(await pullBlob("a", sha256("hello"))).toBe("status 404");
    expect(await objectKeys()).toHaveLength(1);
    await sweep();
    expect(await objectKeys()).toEqual([]);
  });

  test("of two images that share a layer, what only the deleted one used", async () => {
    await pushImage("a", "one", "config one", ["shared", "own"]);
    await pushImage("a", "two", "config two", ["shared"]);
    await deleteManifest("a", await pushImage("a", "one", "config one", ["shared", "own"]));
    await age(2);
    expect(await collected()).toEqual({ links: 2, blobs: 2 });
    expect(await pullBlob("a", sha256("shared"))).toBe("shared");
    expect(await pullBlob("a", sha256("own"))).toBe("status 404");
  });

  test("a mounted blob stays where it is used, and goes where it is not", async () => {
    const digest = await pushBlob("source", "layer");
    await request("POST", `/v2/target/blobs/uploads/?mount=${digest}&from=source`);
    await pushImage("target", "latest", "config", ["layer"]);
    await age(2);
    expect(await collected()).toEqual({ links: 1, repositories: 1 });
    expect(await pullBlob("source", digest)).toBe("status 404");
    expect(await pullBlob("target", digest)).toBe("layer");
  });

  test("HEAD keeps a blob for another grace period", async () => {
    const digest = await pushBlob("a", "layer");
    await age(0.9);
    expect((await request("HEAD", `/v2/a/blobs/${digest}`)).status).toBe(200);
    await age(0.9);
    expect(await collected()).toEqual({});
    expect(await pullBlob("a", digest)).toBe("layer");
  });

  test("an upload repeated, and a mount, keep it likewise", async () => {
    const digest = await pushBlob("a", "layer");
    await age(2);
    await pushBlob("a", "layer");
    expect(await collected()).toEqual({});
    await age(2);
    await request("POST", `/v2/b/blobs/uploads/?mount=${digest}&from=a`);
    expect(await collected()).toEqual({ links: 1, repositories: 1 });
    expect(await pullBlob("b", digest)).toBe("layer");
  });

  test("a manifest deleted and pushed again keeps its blobs", async () => {
    const digest = await pushImage("a", "latest", "config", ["layer"]);
    await age(2);
    await deleteManifest("a", digest);
    await pushImage("a", "latest", "config", ["layer"]);
    expect(await collected()).toEqual({});
    expect(await pullBlob("a", sha256("layer"))).toBe("layer");
  });

  test("a blob re-pushed while its old object is doomed gets an object of its own", async () => {
    const digest = await pushBlob("a", "hello");
    await age(2);
    const [old] = await objectKeys();
    await bucket.put("blobs/unrelated", "x");
    await env.DB.batch([env.DB.prepare("DELETE FROM repository_blobs"), env.DB.prepare("DELETE FROM blobs")]);
    await pushBlob("a", "hello");
    await sweep();
    expect(await objectKeys()).not.toContain(old);
    expect(await pullBlob("a", digest)).toBe("hello");
  });

  test("BuildKit's cache, an index of blobs, keeps them", async () => {
    await pushBlob("a", "layer");
    await putManifest("a", "cache", indexOf([], { manifests: [descriptorOf("layer", LAYER)] }));
    await age(2);
    expect(await collected()).toEqual({});
    expect(await pullBlob("a", sha256("layer"))).toBe("layer");
  });

  test("a blob that was deleted by hand goes when the grace period is over", async () => {
    const digest = await pushBlob("a", "hello");
    await request("DELETE", `/v2/a/blobs/${digest}`);
    expect(await collected()).toEqual({ repositories: 1 });
    await age(2);
    expect(await collected()).toEqual({ blobs: 1 });
    await sweep();
    expect(await objectKeys()).toEqual([]);
  });

  test("a large manifest's object goes with it", async () => {
    const digest = await pushImage("a", "latest", "config", [], { padding: "x".repeat(1_100_000) });
    await deleteManifest("a", digest);
    await sweep();
    expect((await objectKeys()).filter((key) => key.startsWith("manifests/"))).toEqual([]);
  });

  test("many pages of garbage in one run", async () => {
    const insert = env.DB.prepare(
      `INSERT INTO blobs (digest, object_key, size, used_at, linked)
       SELECT 'sha256:' || value, 'blobs/' || value, 7, 1, 0 FROM json_each(?1)`,
    );
    await insert.bind(JSON.stringify(Array.from({ length: 2300 }, (_, index) => index))).run();
    expect(await collected(true)).toEqual({ blobs: 2300 });
    expect(await collected()).toEqual({ blobs: 2300 });
    expect(await collected()).toEqual({});
  });
});

describe("orphans", () => {
  test("an object that no row names goes at its age, and not before", async () => {
    await bucket.put("blobs/orphan", "x");
    await pushBlob("a", "layer");
    expect(await collected()).toEqual({});
    setVariables({ ORPHAN_AGE: "2s", UPLOAD_EXPIRY: "1s" });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    await pushImage("a", "latest", "config", ["layer"]);
    expect(await collected(true)).toEqual({ orphans: 1 });
    expect(await collected()).toEqual({ orphans: 1 });
    await sweep();
    expect(await objectKeys()).not.toContain("blobs/orphan");
    expect(await pullBlob("a", sha256("layer"))).toBe("layer");
  });
});

describe("untagged manifests", () => {
  const child = imageOf("config", []);

  test("stay by default", async () => {
    await pushImage("a", null, "config", []);
    await age(1000);
    expect(await collected()).toEqual({});
  });

  test("go at their age when the policy says so, with their blobs; tagged ones stay", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    const old = await pushImage("a", "latest", "config", []);
    // It is not the push that counts, but the moment that the tag left.
    await age(30);
    await pushImage("a", "latest", "config", ["layer"]);
    await age(6);
    expect(await collected()).toEqual({});
    await age(2);
    expect(await collected()).toEqual({ manifests: 1 });
    expect([await has("a", old), await has("a", "latest")]).toEqual([false, true]);
  });

  test("a tag holds its manifest, and so does the mark that leads to garbage: either alone is enough", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    const [tagged, marked] = [
      await pushImage("a", "latest", "config", []),
      await pushImage("a", null, "other", []),
    ];
    await age(100);
    const mark = (digest: string, held: 0 | 1) =>
      env.DB.prepare("UPDATE manifests SET held = ?2 WHERE digest = ?1").bind(digest, held).run();
    await mark(tagged, 0);
    await mark(marked, 1);
    expect(await collected()).toEqual({});
    await mark(tagged, 1);
    expect([await has("a", tagged), await has("a", marked)]).toEqual([true, true]);
    await age(100);
    await mark(marked, 0);
    expect(await collected()).toEqual({ manifests: 1 });
  });

  test("whose tag was deleted long after the push count from then on", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    await pushImage("a", "latest", "config", []);
    await age(30);
    await deleteManifest("a", "latest");
    await age(6);
    expect(await collected()).toEqual({});
    await age(2);
    expect(await collected()).toEqual({ manifests: 1 });
  });

  test("HEAD keeps one for a push that found it", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    const digest = await pushImage("a", null, "config", []);
    await age(8);
    expect(await has("a", digest)).toBe(true);
    expect(await collected()).toEqual({});
  });

  test("never the child of an index that stays, however deeply nested", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    const inner = indexOf([child]);
    const digest = await pushImage("a", null, "config", []);
    await putManifest("a", sha256(JSON.stringify(inner)), inner);
    await putManifest("a", "latest", indexOf([inner]));
    await age(100);
    expect(await collected()).toEqual({});
    expect(await has("a", digest)).toBe(true);
  });

  test("a nested index goes level by level: each counts from the moment that the one above went", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    const inner = indexOf([child]);
    await pushImage("a", null, "config", []);
    await putManifest("a", sha256(JSON.stringify(inner)), inner);
    await putManifest("a", "latest", indexOf([inner]));
    await deleteManifest("a", "latest");
    for (let level = 0; level < 3; level++) {
      await age(6);
      expect(await collected()).toEqual({});
      await age(2);
      expect(await collected()).toEqual({ manifests: 1 });
    }
    await age(2);
    expect(await collected()).toEqual({ links: 1, blobs: 1, repositories: 1 });
  });

  test("an index with missing children holds on to the others, and to those that come later", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d", ALLOW_SPARSE_INDEXES: "true" });
    const later = imageOf("later", []);
    await pushImage("a", null, "config", []);
    await putManifest("a", "latest", indexOf([child, later]));
    await pushImage("a", null, "later", []);
    await age(100);
    expect(await collected()).toEqual({});
  });

  test("a child of an index in another repository is not held by it", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    for (const name of ["a", "b"]) await pushImage(name, null, "config", []);
    await putManifest("a", "latest", indexOf([child]));
    await age(100);
    expect(await collected()).toEqual({ manifests: 1 });
    await age(2);
    expect(await collected()).toEqual({ links: 1, repositories: 1 });
    expect(await has("a", sha256(JSON.stringify(child)))).toBe(true);
  });
});

describe("referrers", () => {
  const subject = manifestDescriptor(imageOf("config", []));
  const signature = imageOf("signature", [], { subject });
  const countersignature = imageOf("signature", [], {
    subject: manifestDescriptor(signature),
    note: "counter",
  });

  async function pushAll(): Promise<void> {
    await pushImage("a", "latest", "config", []);
    await pushBlob("a", "signature");
    for (const manifest of [signature, countersignature]) {
      await putManifest("a", sha256(JSON.stringify(manifest)), manifest);
    }
  }

  test("of a manifest that stays stay, and their referrers too", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d", DELETE_DANGLING_REFERRERS: "true" });
    await pushAll();
    await age(100);
    expect(await collected()).toEqual({});
  });

  test("of a deleted subject stay by default, even where untagged manifests go", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    await pushAll();
    await deleteManifest("a", subject.digest);
    await age(100);
    expect(await collected()).toEqual({ links: 1, blobs: 1 });
    expect(await has("a", sha256(JSON.stringify(signature)))).toBe(true);
  });

  test("of a deleted subject go when the setting says so, and referrers of referrers after them", async () => {
    setVariables({ DELETE_DANGLING_REFERRERS: "true" });
    await pushAll();
    await deleteManifest("a", subject.digest);
    expect(await collected()).toEqual({});
    await age(2);
    expect(await collected()).toEqual({ manifests: 1, links: 1, blobs: 1 });
    await age(2);
    expect(await collected()).toEqual({ manifests: 1 });
    await age(2);
    expect(await collected()).toEqual({ links: 1, blobs: 1, repositories: 1 });
  });

  test("counts from the moment that its subject went, however old it is itself", async () => {
    setVariables({ DELETE_DANGLING_REFERRERS: "true" });
    await pushAll();
    await age(30);
    await deleteManifest("a", subject.digest);
    expect(await collected()).toEqual({});
    expect(await has("a", sha256(JSON.stringify(signature)))).toBe(true);
  });

  test("a tagged one stays", async () => {
    setVariables({ DELETE_DANGLING_REFERRERS: "true" });
    await pushAll();
    await putManifest("a", "signature", signature);
    await deleteManifest("a", subject.digest);
    await age(2);
    expect(await collected()).toEqual({ links: 1, blobs: 1 });
  });

  test("a cycle of subjects, which no honest digest can make, ends the run and is left alone", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d", DELETE_DANGLING_REFERRERS: "true" });
    await pushAll();
    await env.DB.prepare("UPDATE manifests SET subject = ?1 WHERE digest = ?2")
      .bind(sha256(JSON.stringify(countersignature)), sha256(JSON.stringify(signature)))
      .run();
    await age(100);
    expect(await collected()).toEqual({});
  });
});

describe("a dry run", () => {
  test("says what a run would take, and leaves the whole database as it was, to the byte", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "7d" });
    await pushImage("a", "one", "config one", ["shared", "own"]);
    await pushImage("a", "two", "config two", ["shared"]);
    await pushBlob("b", "shared");
    await pushBlob("c", "alone");
    await deleteManifest("a", await pushImage("a", "one", "config one", ["shared", "own"]));
    await age(30);
    const before = await dump();
    const objects = await objectKeys();
    const wouldTake = await collected(true);
    expect(await dump()).toBe(before);
    expect(await objectKeys()).toEqual(objects);
    const took = await collected();
    // A repository is empty only once its last link has gone.
    expect({ ...wouldTake, repositories: took.repositories }).toEqual(took);
    expect(took).toEqual({ links: 4, blobs: 3, repositories: 2 });
  });

  test("says of a blob that it goes only where all its links do", async () => {
    await pushBlob("a", "named");
    await pushBlob("a", "used");
    await age(2);
    await pushImage("b", "latest", "config", ["named"]);
    await pushBlob("b", "used");
    await env.DB.prepare("UPDATE blobs SET used_at = 1").run();
    expect(await collected(true)).toEqual({ links: 2 });
    await age(2);
    expect(await collected(true)).toEqual({ links: 3, blobs: 1 });
  });

  test("leaves out a link that goes while it looks", async () => {
    for (const content of ["one", "two"]) await pushBlob("a", content);
    await age(2);
    const remove = () =>
      env.DB.batch(
        ["DELETE FROM repository_blobs WHERE blob_id = 1", "DELETE FROM blobs WHERE id = 1"].map((sql) =>
          env.DB.prepare(sql),
        ),
      );
    // Behind the identity and the links, before their blobs.
    interleave("DB.query", remove, 2);
    expect(await collected(true)).toEqual({ links: 1, blobs: 1 });
  });
});
