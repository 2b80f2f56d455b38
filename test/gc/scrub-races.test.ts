/** A scrub beside pushes and collections: forced between any two steps of either. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { allHappened, healAll, interleave } from "../support/faults.ts";
import { imageOf, pushImage } from "../support/images.ts";
import { pullBlob, pushBlob, putManifest, request, sha256, textOf } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import {
  empty,
  expectWell,
  keyOfBlob,
  keyOfManifest,
  LARGE,
  LAYERS,
  limited,
  MEDIA_TYPE,
  NOTHING,
  scrub,
  scrubAll,
  scrubPage,
} from "./scrubbing.ts";
import { age, collect, collected, expectSound, objectKeys } from "./support.ts";

afterEach(() =>
  expect(env.DB.prepare("PRAGMA foreign_key_check").all()).resolves.toMatchObject({ results: [] }),
);

describe("a push in the middle of a scrub", () => {
  for (const state of ["gone", "wrong"] as const) {
    for (const call of ["BUCKET.head", "BUCKET.get", "DB.query", "DB.batch"] as const) {
      test(`before each ${call} of one that finds an object ${state}: what was pushed stays`, async () => {
        let forced = 0;
        for (; ; forced++) {
          await pushImage("a", "latest", "config", LAYERS);
          const key = await keyOfBlob(sha256("one"));
          if (state === "gone") await env.BUCKET.delete(key);
          else await env.BUCKET.put(key, "on");
          let pushed = false;
          const push = async () => {
            await pushBlob("b", "one");
            pushed = true;
          };
          interleave(call, push, forced);
          await scrubAll((after) => limited(after, {}));
          healAll();
          if (!pushed) break;
          expect([forced, await pullBlob("a", sha256("one"))]).toEqual([forced, "one"]);
          expect(await keyOfBlob(sha256("one"))).not.toBe(key);
          await expectWell();
          await expectSound();
          await empty();
        }
        expect(forced).toBeGreaterThanOrEqual(call === "DB.batch" && state === "gone" ? 0 : 1);
      });
    }
  }

  test("of a large manifest, and of one in its row: what was pushed stays", async () => {
    await pushImage("a", "latest", "config", []);
    await putManifest("a", "large", LARGE, { "Content-Type": MEDIA_TYPE });
    const small = imageOf("config", []);
    await env.BUCKET.put(await keyOfManifest(sha256(LARGE)), "{}");
    await env.DB.prepare("UPDATE manifests SET content = '{}' WHERE content IS NOT NULL").run();
    // The scrub has read the row's bytes, and is about to mark it.
    interleave("DB.query", () => putManifest("a", "latest", small), 2);
    // The scrub has read the object, and is about to put it aside.
    interleave("DB.batch", () => putManifest("a", "large", LARGE, { "Content-Type": MEDIA_TYPE }));
    const page = await limited("manifests:", {});
    expect(allHappened()).toBe(true);
    // The push of the large one took the old object for good, as its size is right; so it is found later.
    expect(page.quarantined.map(({ objectKey }) => objectKey)).not.toContain(null);
    expect(await textOf(await request("GET", "/v2/a/manifests/latest"))).toBe(JSON.stringify(small));
  });
});

describe("a collection in the middle of a scrub", () => {
  for (const call of ["BUCKET.head", "BUCKET.get", "DB.query"] as const) {
    test(`before each ${call}: what it takes is no loss, and what stays is whole`, async () => {
      setVariables({ DELETED_BYTES_KEPT: "0" });
      let forced = 0;
      for (; ; forced++) {
        await pushImage("a", "latest", "config", LAYERS);
        for (const content of ["garbage", "more garbage"]) await pushBlob("b", content);
        await age(2);
        let happened = false;
        const run = async () => {
          await collect();
          await new Promise((resolve) => setTimeout(resolve, 2));
          await collect();
          happened = true;
        };
        interleave(call, run, forced);
        const { found } = await scrubAll((after) => limited(after, {}));
        healAll();
        const { checked, bytes, ...findings } = found;
        expect([forced, findings]).toEqual([forced, NOTHING]);
        expect([checked > 0, bytes > 0]).toEqual([true, true]);
        for (const content of LAYERS) expect(await pullBlob("a", sha256(content))).toBe(content);
        await expectSound();
        if (!happened) break;
        expect(await objectKeys()).toHaveLength(5);
      }
      expect(forced).toBeGreaterThanOrEqual(call === "DB.query" ? 4 : 5);
    });
  }

  test("a scrub in the middle of a run, before each call of it, finds nothing wrong either", async () => {
    setVariables({ DELETED_BYTES_KEPT: "0" });
    for (const call of ["DB.query", "DB.batch", "BUCKET.delete", "BUCKET.list"] as const) {
      for (let forced = 0; ; forced++) {
        await pushImage("a", "latest", "config", LAYERS);
        await pushBlob("b", "garbage");
        await age(2);
        await collected();
        let happened = false;
        const run = async () => {
          await expectWell({ rebuild: "true" });
          happened = true;
        };
        interleave(call, run, forced);
        await collect();
        healAll();
        await expectSound();
        if (!happened) break;
      }
    }
  });

  test("an orphan that it dooms first is not named by a row", async () => {
    await pushImage("a", "latest", "config", LAYERS);
    await env.BUCKET.delete(await keyOfBlob(sha256("one")));
    await env.BUCKET.put("blobs/orphan", "one");
    await scrub();
    setVariables({ ORPHAN_AGE: "2s", UPLOAD_EXPIRY: "1s" });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    interleave("BUCKET.get", () => collected());
    const page = await scrubPage({ after: "objects:", rebuild: "true" });
    expect(page.healed).toEqual([]);
    expect(await env.DB.prepare("SELECT object_key FROM doomed_objects").first("object_key")).toBe(
      "blobs/orphan",
    );
    // The next one copies it.
    expect((await scrub({ rebuild: "true" })).healed).toHaveLength(1);
    expect(await pullBlob("a", sha256("one"))).toBe("one");
  });
});
