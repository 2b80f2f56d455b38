/** What a scrub finds among the objects that no row names: as after an older day of the database was restored. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import type { ScrubOptions } from "../../src/storage/scrub/scrub.ts";
import { scrubPage as scrubOne } from "../../src/storage/scrub/scrub.ts";
import { mainStores, type Stores } from "../../src/storage/stores.ts";
import { bucket } from "../support/bucket.ts";
import { breakNext, interleave } from "../support/faults.ts";
import { imageOf, pushImage } from "../support/images.ts";
import { instrument } from "../support/instrument.ts";
import { measure } from "../support/meter.ts";
import {
  noise,
  pullBlob,
  pushBlob,
  putManifest,
  request,
  sha256,
  sha512,
  textOf,
} from "../support/registry.ts";
import { setVariables, withVariables } from "../support/settings.ts";
import {
  expectWell,
  keyOfBlob,
  keyOfManifest,
  LARGE,
  MEDIA_TYPE,
  NOTHING,
  scrub,
  scrubPage,
} from "./scrubbing.ts";
import { age, collect, collected, expectSound, objectKeys, restoreRows, saveRows, sweep } from "./support.ts";

const REBUILD = { rebuild: "true" };
const LAYER = "the layer";
const DIGEST = sha256(LAYER);

afterEach(() =>
  expect(env.DB.prepare("PRAGMA foreign_key_check").all()).resolves.toMatchObject({ results: [] }),
);

/** Long enough ago for an object to be nobody's. */
async function growOld(): Promise<void> {
  setVariables({ ORPHAN_AGE: "2s", UPLOAD_EXPIRY: "1s" });
  await new Promise((resolve) => setTimeout(resolve, 2100));
}

/** Image a:latest, whose layer's bytes lie only under a key that no row names. @returns that key */
async function orphanLayer(): Promise<string> {
  await pushImage("a", "latest", "config", [LAYER]);
  await bucket.delete(await keyOfBlob(DIGEST));
  const orphan = `blobs/${crypto.randomUUID()}`;
  await bucket.put(orphan, LAYER);
  return orphan;
}

/** All of the image pulls byte for byte. */
async function expectPulled(): Promise<void> {
  expect((await request("GET", "/v2/a/manifests/latest")).status).toBe(200);
  for (const content of ["config", LAYER]) expect(await pullBlob("a", sha256(content))).toBe(content);
}

async function expectWhole(): Promise<void> {
  await expectPulled();
  await expectSound();
}

describe("a database that was restored to an older day", () => {
  /** The layer was deleted since, with all its bytes, and pushed again. */
  async function restore(): Promise<void> {
    setVariables({ DELETED_BYTES_KEPT: "0" });
    await pushImage("a", "latest", "config", [LAYER]);
    await pushImage("a", "lost", "config", ["lost layer"]);
    await putManifest("a", "large", LARGE, { "Content-Type": MEDIA_TYPE });
    const before = await saveRows();
    for (const tag of ["latest", "lost", "large"]) {
      const digest = (await request("HEAD", `/v2/a/manifests/${tag}`)).headers.get("Docker-Content-Digest");
      expect((await request("DELETE", `/v2/a/manifests/${digest}`)).status).toBe(202);
    }
    await age(2);
    await collected();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await collected();
    expect(await objectKeys()).toEqual([]);
    await pushImage("a", "latest", "config", [LAYER]);
    await putManifest("a", "large", LARGE, { "Content-Type": MEDIA_TYPE });
    await restoreRows(before);
  }

  test("a scrub reports what its rows name and the bucket has no more", async () => {
    await restore();
    const found = await scrub();
    expect([found.healed, found.quarantined]).toEqual([[], []]);
    expect(found.missing.map(({ digest }) => digest).sort()).toEqual(
      [...["config", LAYER, "lost layer"].map(sha256), sha256(LARGE)].sort(),
    );
    expect(found.damaged.map(({ tags }) => tags)).toEqual([["latest"], ["lost"], ["large"]]);
    expect(await pullBlob("a", DIGEST)).toBe("status 404");
  });

  for (const old of [false, true]) {
    test(`a rebuild brings back what has been pushed since, ${old ? "long ago" : "just now"}`, async () => {
      await restore();
      if (old) await growOld();
      const before = await objectKeys();
      const found = await scrub(REBUILD);
      expect(found.healed.map(({ digest }) => digest).sort()).toEqual(
        [...["config", LAYER].map(sha256), sha256(LARGE)].sort(),
      );
      // Blobs that are nobody's are named as they are; a manifest, and what is young, is copied.
      expect(await objectKeys()).toHaveLength(before.length + (old ? 1 : 3));
      expect(found.damaged.map(({ tags, missing }) => ({ tags, missing }))).toEqual([
        { tags: ["lost"], missing: [sha256("lost layer")] },
      ]);
      await expectPulled();
      expect(await textOf(await request("GET", "/v2/a/manifests/large"))).toBe(LARGE);

      await pushBlob("a", "lost layer");
      await expectWell(REBUILD);
      await expectWhole();
      // A collection takes what was copied, and nothing else.
      await growOld();
      await request("POST", "/v2/_berth/gc?force=true");
      await sweep();
      await expectWell();
      await expectWhole();
      expect(await objectKeys()).toHaveLength(4);
    });
  }

  test("finds the bytes of what was deleted since as long as they are kept", async () => {
    await pushImage("a", "latest", "config", [LAYER]);
    const before = await saveRows();
    await request("DELETE", `/v2/a/manifests/${sha256(JSON.stringify(imageOf("config", [LAYER])))}`);
    await age(2);
    await collected();
    await age(2);
    await collected();
    await restoreRows(before);
    await expectWell(REBUILD);
    await expectWhole();
  });
});

describe("an object that no row names", () => {
  test("is left alone without rebuild", async () => {
    await orphanLayer();
    expect(await scrub()).toMatchObject({ ...NOTHING, missing: [{ digest: DIGEST }], damaged: [{}] });
  });

  test("heals the blob that lacks its bytes, by a copy while an upload may still be on its way to it", async () => {
    const orphan = await orphanLayer();
    const found = await scrub(REBUILD);
    expect(found.healed).toEqual([{ kind: "blob", digest: DIGEST, detail: `its bytes were in ${orphan}` }]);
    expect([found.damaged, found.missing.length]).toEqual([[], 1]);
    expect(await keyOfBlob(DIGEST)).not.toBe(orphan);
    await bucket.delete(orphan);
    await expectWhole();
    await expectWell(REBUILD);
  });

  test("is named itself when it is as old as ORPHAN_AGE", async () => {
    const orphan = await orphanLayer();
    await growOld();
    const before = (await objectKeys()).length;
    await scrub(REBUILD);
    expect([await keyOfBlob(DIGEST), (await objectKeys()).length]).toEqual([orphan, before]);
    await expectWhole();
    await sweep();
    await expectWhole();
  });

  test("heals what a scrub has put aside, and the broken bytes stay", async () => {
    await pushImage("a", "latest", "config", [LAYER]);
    const broken = await keyOfBlob(DIGEST);
    await bucket.put(broken, "the lazer");
    await bucket.put("blobs/orphan", LAYER);
    await scrub(REBUILD);
    await expectWhole();
    await sweep();
    expect(await objectKeys()).toContain(broken);
    // It was looked at once: a rebuild reads only the other one.
    await env.DB.prepare("UPDATE blobs SET missing_at = 1").run();
    expect((await scrubPage({ after: "objects:", rebuild: "true" })).bytes).toBe(LAYER.length);
  });

  test("is hashed by each algorithm that something missing is named by", async () => {
    const digest = sha512(LAYER);
    await request("POST", `/v2/a/blobs/uploads/?digest=${digest}`, { body: LAYER });
    await pushImage("a", "latest", "config", [LAYER]);
    for (const one of [digest, DIGEST]) await bucket.delete(await keyOfBlob(one));
    await bucket.put("blobs/orphan", LAYER);
    await growOld();
    expect((await scrub(REBUILD)).healed.map((one) => one.digest)).toEqual([DIGEST, digest]);
    expect(await pullBlob("a", digest)).toBe(LAYER);
    await expectWhole();
  });

  test("that is doomed is copied, so that a collection that has read its key may delete it", async () => {
    const orphan = await orphanLayer();
    await growOld();
    await env.DB.prepare("INSERT INTO doomed_objects (object_key, bytes, doomed_at) VALUES (?1, 9, 1)")
      .bind(orphan)
      .run();
    // The sweep has found the key, and goes on only when the scrub has copied the object.
    let found: Awaited<ReturnType<typeof scrub>> | undefined;
    interleave("BUCKET.delete", async () => {
      found = await scrub(REBUILD);
    });
    await collect();
    expect(found?.healed).toMatchObject([{ digest: DIGEST }]);
    expect(await objectKeys()).not.toContain(orphan);
    await expectWhole();
    await expectWell();
  });

  test("that an upload is about to commit is left to it", async () => {
    const orphan = await orphanLayer();
    await env.DB.prepare("INSERT INTO pending_objects (object_key, registered_at) VALUES (?1, 1)")
      .bind(orphan)
      .run();
    expect((await scrub(REBUILD)).healed).toEqual([]);
  });

  test("and that nothing lacks stays what it is", async () => {
    await pushImage("a", "latest", "config", [LAYER, "second"]);
    await bucket.delete(await keyOfBlob(DIGEST));
    await bucket.put("blobs/orphan", "something else");
    await bucket.put("blobs/second", "second");
    await bucket.put("backups/layer", LAYER);
    const keys = await objectKeys();
    const key = await keyOfBlob(sha256("second"));
    expect((await scrub(REBUILD)).healed).toEqual([]);
    expect(await keyOfBlob(sha256("second"))).toBe(key);
    expect(await objectKeys()).toEqual(keys);
  });

  test("is not even listed where nothing is missing", async () => {
    await pushImage("a", "latest", "config", [LAYER]);
    await bucket.put("blobs/orphan", LAYER);
    const costs = await measure(async () => {
      expect(await scrubPage({ after: "objects:", rebuild: "true" })).toMatchObject({
        phase: "objects",
        checked: 0,
        next: "damage:",
      });
    });
    expect(costs).toMatchObject({ queries: 1, r2: {} });
  });
});

describe("a large manifest that lacks its object", () => {
  test("gets it back in every repository, from one object that no row names", async () => {
    for (const name of ["a", "b"]) {
      await pushBlob(name, "config");
      await putManifest(name, "large", LARGE, { "Content-Type": MEDIA_TYPE });
    }
    const keys = (await objectKeys()).filter((key) => key.startsWith("manifests/"));
    await bucket.delete(keys);
    await bucket.put("manifests/orphan", LARGE);
    const found = await scrub(REBUILD);
    expect(found.healed).toMatchObject([{ detail: expect.stringContaining("in a: ") }, { kind: "manifest" }]);
    for (const name of ["a", "b"])
      expect(await textOf(await request("GET", `/v2/${name}/manifests/large`))).toBe(LARGE);
    expect(await keyOfManifest(sha256(LARGE))).not.toBe("manifests/orphan");
    await expectWell(REBUILD);
    await expectSound();
  });
});

describe("a copy", () => {
  const options = (): ScrubOptions => ({ rebuild: true, sparse: false, freeBefore: 0 });

  /** Stores whose largest put is small, so that a copy takes a multipart upload. */
  function smallStores(): Stores {
    const stores = mainStores(instrument(withVariables(env)));
    Object.assign(stores.objects, { can: { ...stores.objects.can, maxPut: MIB } });
    return stores;
  }

  const MIB = 1024 * 1024;
  const content = noise(33 * MIB + 7);
  const digest = sha256(content);

  async function loseLarge(): Promise<void> {
    await pushBlob("a", content);
    const key = await keyOfBlob(digest);
    await bucket.put("blobs/orphan", content);
    await bucket.delete(key);
    await env.DB.prepare("UPDATE blobs SET missing_at = 1").run();
  }

  test("of what is too large for one put is made in parts", async () => {
    await loseLarge();
    const costs = await measure(async () => {
      const page = await scrubOne(smallStores(), { walk: "objects", after: null }, options());
      expect(page.healed).toMatchObject([{ digest }]);
    });
    expect(costs.r2).toMatchObject({ uploadPart: 2, complete: 1 });
    const response = await request("GET", `/v2/a/blobs/${digest}`);
    expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(digest);
    await expectSound();
  });

  test("in parts whose source goes meanwhile leaves nothing behind, and heals nothing", async () => {
    await loseLarge();
    interleave("BUCKET.get", () => bucket.delete("blobs/orphan"), 1);
    const costs = await measure(async () => {
      const page = await scrubOne(smallStores(), { walk: "objects", after: null }, options());
      expect(page.healed).toEqual([]);
    });
    // The parts of what is not completed are in no list.
    expect(costs.r2).toMatchObject({ abort: 1 });
    expect(await objectKeys()).toEqual([]);
    expect(await env.DB.prepare("SELECT missing_at FROM blobs").first("missing_at")).toBe(1);
  });

  test("whose source goes meanwhile heals nothing, and leaves nothing behind", async () => {
    const orphan = await orphanLayer();
    await scrub();
    // It has been hashed, and is read again.
    interleave("BUCKET.get", () => bucket.delete(orphan), 1);
    expect((await scrubPage({ after: "objects:", rebuild: "true" })).healed).toEqual([]);
    expect(await objectKeys()).toHaveLength(1);
  });

  test("that a push was faster than goes away again", async () => {
    await orphanLayer();
    interleave("BUCKET.put", () => pushBlob("b", LAYER));
    const found = await scrub(REBUILD);
    expect([found.healed, found.damaged]).toEqual([[], []]);
    await expectWhole();
    // Config, layer, and the object that no row named.
    expect(await objectKeys()).toHaveLength(3);
  });

  test("whose answer was lost is made again", async () => {
    await orphanLayer();
    await scrub();
    breakNext("BUCKET.put", "after");
    const failed = await request("POST", "/v2/_berth/scrub?after=objects:&rebuild=true");
    expect([failed.status, failed.headers.get("Retry-After")]).toEqual([503, "5"]);
    expect(await objectKeys()).toHaveLength(2);
    expect((await scrub(REBUILD)).healed).toHaveLength(1);
    await expectWhole();
  });
});
