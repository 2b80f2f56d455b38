/** A scrub beside pushes and collections: forced between any two steps of either. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { bucket } from "../support/bucket.ts";
import { healAll, interleave, recordCalls } from "../support/faults.ts";
import { digestOfManifest, imageOf, pushImage } from "../support/images.ts";
import { pullBlob, pushBlob, putManifest, request, sha256, sha512, textOf } from "../support/registry.ts";
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
          if (state === "gone") await bucket.delete(key);
          else await bucket.put(key, "on");
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

  test("when the scrub is about to correct the row: a mark of another object stays", async () => {
    await pushImage("a", "latest", "config", []);
    await putManifest("a", "large", LARGE, { "Content-Type": MEDIA_TYPE });
    for (const table of ["blobs", "manifests"]) {
      await env.DB.prepare(`UPDATE ${table} SET size = 3`).run();
      const row = `${table} SET object_key = 'another ' || object_key, missing_at = 1`;
      interleave("DB.batch", () => env.DB.prepare(`UPDATE ${row} WHERE object_key IS NOT NULL`).run());
      const { healed } = await limited(`${table}:`, {});
      // But for the manifest that is in its row.
      expect(healed).toHaveLength(table === "blobs" ? 0 : 1);
      const marked = `SELECT count(*) AS n FROM ${table} WHERE missing_at = 1 AND size = 3`;
      expect([table, await env.DB.prepare(marked).first("n")]).toEqual([table, 1]);
    }
  });

  test("of a manifest in its row, when the scrub is about to mark it: what was pushed stays", async () => {
    const manifest = imageOf("config", []);
    await pushImage("a", "latest", "config", []);
    await env.DB.prepare("UPDATE manifests SET content = '{}'").run();
    // Behind the list and the row's bytes.
    interleave("DB.query", () => putManifest("a", "latest", manifest), 2);
    expect((await limited("manifests:", {})).quarantined).toEqual([]);
    expect(await textOf(await request("GET", "/v2/a/manifests/latest"))).toBe(JSON.stringify(manifest));
    await expectWell();
  });

  test("of a large manifest, when the scrub is about to put its object aside: what was pushed stays", async () => {
    const push = () => putManifest("a", "large", LARGE, { "Content-Type": MEDIA_TYPE });
    await pushBlob("a", "config");
    await push();
    await bucket.put(await keyOfManifest(sha256(LARGE)), "{}");
    interleave("DB.batch", push);
    expect((await limited("manifests:", {})).quarantined).toEqual([]);
    expect(await textOf(await request("GET", "/v2/a/manifests/large"))).toBe(LARGE);
    expect(await env.DB.prepare("SELECT count(*) AS n FROM quarantined_objects").first("n")).toBe(0);
    await expectWell();
    await expectSound();
  });
});

test("another scrub that has given the object to another row meanwhile keeps it there", async () => {
  const digests = [sha256("one"), sha512("one")] as const;
  for (const digest of digests)
    await request("POST", `/v2/a/blobs/uploads/?digest=${digest}`, { body: "one" });
  await bucket.delete(await objectKeys());
  await env.DB.prepare("UPDATE blobs SET missing_at = 1").run();
  await bucket.put("blobs/orphan", "one");
  setVariables({ ORPHAN_AGE: "2s", UPLOAD_EXPIRY: "1s" });
  await new Promise((resolve) => setTimeout(resolve, 2100));
  const row = "UPDATE blobs SET object_key = 'blobs/orphan', missing_at = NULL WHERE digest = ?1";
  interleave("BUCKET.get", () => env.DB.prepare(row).bind(digests[0]).run());
  expect((await scrubPage({ after: "objects:", rebuild: "true" })).healed).toEqual([]);
  expect(await pullBlob("a", digests[0])).toBe("one");
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
    await bucket.delete(await keyOfBlob(sha256("one")));
    await bucket.put("blobs/orphan", "one");
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

test("a manifest that gets the id of the one that was read is not taken for it", async () => {
  const [old, right] = [imageOf("config", [], { is: "old" }), imageOf("config", [], { is: "right" })];
  await pushBlob("a", "config");
  await putManifest("a", "old", old);
  // The row of the one has the other's bytes, which are right as soon as the row is the other's.
  const spoil = () => env.DB.prepare("UPDATE manifests SET content = ?1").bind(JSON.stringify(right)).run();
  await spoil();
  const calls = recordCalls();
  await scrub();
  const queries = calls.filter(({ name }) => name === "DB.query");
  const marking = queries.findIndex(({ statements: [sql] }) =>
    /^UPDATE manifests SET missing_at/.test(sql ?? ""),
  );
  expect(marking).toBeGreaterThan(0);
  healAll();
  await env.DB.prepare("UPDATE manifests SET missing_at = NULL").run();
  const replace = async () => {
    const path = `/v2/a/manifests/${digestOfManifest(old)}`;
    await env.DB.prepare("DELETE FROM manifests WHERE digest = ?1").bind(digestOfManifest(old)).run();
    expect((await putManifest("a", "right", right)).status).toBe(201);
    expect((await request("HEAD", path)).status).toBe(404);
  };
  interleave("DB.query", replace, marking);
  await scrub();
  expect((await request("GET", "/v2/a/manifests/right")).status).toBe(200);
});
