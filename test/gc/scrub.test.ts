/** What a scrub finds in blobs and manifests, and what becomes of it. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { bucket } from "../support/bucket.ts";
import { imageOf, indexOf, pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import {
  codesOf,
  pullBlob,
  pushBlob,
  putManifest,
  request,
  sha256,
  sha512,
  textOf,
} from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import {
  expectWell,
  keyOfBlob,
  keyOfManifest,
  LARGE,
  MEDIA_TYPE,
  NOTHING,
  quarantinedKeys,
  scrub,
  scrubPage,
} from "./scrubbing.ts";
import { age, collected, dump, expectSound, objectKeys, sweep } from "./support.ts";

const LAYER = "the layer";
const DIGEST = sha256(LAYER);
const IMAGE = imageOf("config", [LAYER]);

afterEach(() =>
  expect(env.DB.prepare("PRAGMA foreign_key_check").all()).resolves.toMatchObject({ results: [] }),
);

async function headBlob(): Promise<number> {
  return (await request("HEAD", `/v2/a/blobs/${DIGEST}`)).status;
}

/** The image pulls byte for byte, and a scrub has nothing to say. */
async function expectWhole(): Promise<void> {
  expect(await textOf(await request("GET", "/v2/a/manifests/latest"))).toBe(JSON.stringify(IMAGE));
  expect(await pullBlob("a", sha256("config"))).toBe("config");
  expect(await pullBlob("a", DIGEST)).toBe(LAYER);
  await expectWell();
  await expectSound();
}

const DAMAGED = {
  repository: "a",
  digest: sha256(JSON.stringify(IMAGE)),
  tags: ["latest"],
  missing: [DIGEST],
};

describe("where all is well", () => {
  test("everything is read once, nothing is found, and nothing is written but that it was begun", async () => {
    await pushImage("a", "latest", "config", [LAYER]);
    await putManifest("a", "large", LARGE, { "Content-Type": MEDIA_TYPE });
    const before = await dump();
    const found = await scrub({ rebuild: "true" });
    const bytes = "config".length + LAYER.length + JSON.stringify(IMAGE).length + LARGE.length;
    expect(found).toEqual({ checked: 4, bytes, ...NOTHING });
    await env.DB.prepare("DELETE FROM audit_events WHERE action = 'scrub'").run();
    expect(await dump()).toBe(before);
  });

  test("an empty registry too", async () => {
    expect(await scrub({ rebuild: "true" })).toEqual({ checked: 0, bytes: 0, ...NOTHING });
  });

  test("an upload under way is nobody's loss", async () => {
    const started = await request("POST", "/v2/a/blobs/uploads/");
    await request("PATCH", started.headers.get("Location") as string, { body: LAYER });
    await expectWell({ rebuild: "true" });
    const closed = await request("PUT", `${started.headers.get("Location")}?digest=${DIGEST}`);
    expect(closed.status).toBe(201);
    await expectWell({ rebuild: "true" });
  });
});

describe("a blob", () => {
  for (const [what, bytes] of [
    ["a flipped byte", "the lazer"],
    ["a truncated object", "the l"],
    ["an object that has grown", "the layer and more"],
    ["an emptied object", ""],
  ] as const) {
    test(`${what}: is put aside, said to be gone, and comes back with a push`, async () => {
      await pushImage("a", "latest", "config", [LAYER]);
      const key = await keyOfBlob(DIGEST);
      await bucket.put(key, bytes);
      const found = await scrub();
      const detail = `${bytes.length} bytes that hash to ${sha256(bytes)}`;
      expect(found).toMatchObject({
        healed: [],
        quarantined: [{ kind: "blob", digest: DIGEST, objectKey: key, detail }],
        missing: [],
        damaged: [DAMAGED],
      });
      expect(await quarantinedKeys()).toEqual([key]);
      expect(await headBlob()).toBe(404);
      expect(await pullBlob("a", DIGEST)).toBe("status 404");
      // Said again until it is mended.
      expect((await scrub()).quarantined).toHaveLength(1);

      await pushBlob("a", LAYER);
      await expectWhole();
      expect(await keyOfBlob(DIGEST)).not.toBe(key);
      await sweep();
      expect(await textOf(new Response(await bucket.get(key)))).toBe(bytes);
    });
  }

  test("whose object has gone is said to be gone, and comes back with a push", async () => {
    await pushImage("a", "latest", "config", [LAYER]);
    await bucket.delete(await keyOfBlob(DIGEST));
    expect(await headBlob()).toBe(200);
    for (let time = 0; time < 2; time++) {
      expect(await scrub()).toMatchObject({
        ...NOTHING,
        missing: [{ kind: "blob", digest: DIGEST }],
        damaged: [DAMAGED],
      });
      expect(await headBlob()).toBe(404);
    }
    await pushBlob("a", LAYER);
    await expectWhole();
  });

  test("whose row has another size gets the right one", async () => {
    await pushImage("a", "latest", "config", [LAYER]);
    for (const size of [3, 1000, 0]) {
      await env.DB.prepare("UPDATE blobs SET size = ?1 WHERE digest = ?2").bind(size, DIGEST).run();
      const { healed, ...others } = await scrub();
      expect(others).toMatchObject({ quarantined: [], missing: [], damaged: [] });
      expect(healed).toEqual([
        { kind: "blob", digest: DIGEST, detail: `its size is ${LAYER.length}, not ${size}` },
      ]);
      await expectWhole();
    }
  });

  test("that was marked as missing, and is there, is served again", async () => {
    await pushImage("a", "latest", "config", [LAYER]);
    const key = await keyOfBlob(DIGEST);
    await bucket.put(key, "the lazer");
    await scrub();
    await bucket.put(key, LAYER);
    expect((await scrub()).healed).toEqual([
      { kind: "blob", digest: DIGEST, detail: "its object is there after all" },
    ]);
    await expectWhole();
    // Nothing keeps it from being collected one day.
    expect(await quarantinedKeys()).toEqual([]);
  });

  test("named by a sha512 digest is hashed by that", async () => {
    const digest = sha512(LAYER);
    await request("POST", `/v2/a/blobs/uploads/?digest=${digest}`, { body: LAYER });
    await expectWell();
    await bucket.put(await keyOfBlob(digest), "the lazer");
    expect((await scrub()).quarantined).toMatchObject([
      { digest, detail: `9 bytes that hash to ${sha512("the lazer")}` },
    ]);
  });

  test("in quarantine that is collected leaves its bytes to you, whatever runs", async () => {
    setVariables({ ORPHAN_AGE: "2s", UPLOAD_EXPIRY: "1s" });
    await pushImage("b", "latest", "other config", []);
    await pushBlob("a", LAYER);
    const key = await keyOfBlob(DIGEST);
    await bucket.put(key, "the lazer");
    await scrub();
    await age(2);
    expect(await collected()).toMatchObject({ blobs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    await sweep();
    await sweep();
    expect(await objectKeys()).toContain(key);
    // The report does not count it as waiting for its deletion.
    const { waiting } = await (await request("POST", "/v2/_berth/gc?dry-run=true")).json<{
      waiting: object;
    }>();
    expect(waiting).toEqual({ count: 0, bytes: 0 });
  });
});

describe("a large manifest, which is an object", () => {
  const digest = sha256(LARGE);
  const path = `/v2/a/manifests/${digest}`;

  async function push(): Promise<void> {
    const response = await putManifest("a", "large", LARGE, { "Content-Type": MEDIA_TYPE });
    expect(response.status).toBe(201);
  }

  async function expectBack(): Promise<void> {
    expect(await textOf(await request("GET", path))).toBe(LARGE);
    expect((await request("HEAD", "/v2/a/manifests/large")).headers.get("Content-Length")).toBe(
      String(LARGE.length),
    );
    await expectWell();
    await expectSound();
  }

  test("whose object has gone is said to be gone, and comes back with a push", async () => {
    await pushBlob("a", "config");
    await push();
    await bucket.delete(await keyOfManifest(digest));
    expect(await scrub()).toMatchObject({
      ...NOTHING,
      missing: [{ kind: "manifest", digest }],
      damaged: [{ repository: "a", digest, tags: ["large"], missing: [digest] }],
    });
    expect((await request("HEAD", path)).status).toBe(404);
    await push();
    await expectBack();
  });

  test("with a flipped byte is put aside, said to be gone, and comes back with a push", async () => {
    await pushBlob("a", "config");
    await push();
    const key = await keyOfManifest(digest);
    const flipped = LARGE.replace("xxxxx", "xxyxx");
    await bucket.put(key, flipped);
    expect(await scrub()).toMatchObject({
      ...NOTHING,
      quarantined: [
        {
          kind: "manifest",
          digest,
          objectKey: key,
          detail: `in a: ${LARGE.length} bytes that hash to ${sha256(flipped)}`,
        },
      ],
      damaged: [{ repository: "a", digest, tags: ["large"], missing: [digest] }],
    });
    expect(await quarantinedKeys()).toEqual([key]);
    for (const reference of [path, "/v2/a/manifests/large"])
      expect((await request("GET", reference)).status).toBe(404);
    await push();
    await expectBack();
    await sweep();
    expect(await objectKeys()).toContain(key);
  });

  test("whose row has another size gets the right one, by a scrub or by a push", async () => {
    await pushBlob("a", "config");
    await push();
    for (const mend of [push, scrub]) {
      await env.DB.prepare("UPDATE manifests SET size = 3").run();
      await mend();
      await expectBack();
    }
    await env.DB.prepare("UPDATE manifests SET missing_at = 1").run();
    expect((await scrub()).healed).toEqual([
      { kind: "manifest", digest, detail: "in a: its object is there after all" },
    ]);
    await expectBack();
  });
});

describe("a manifest in its row", () => {
  const digest = sha256(JSON.stringify(IMAGE));
  const flipped = JSON.stringify(IMAGE).replace("schemaVersion", "schemaversion");

  async function flip(): Promise<void> {
    await env.DB.prepare("UPDATE manifests SET content = ?1 WHERE digest = ?2").bind(flipped, digest).run();
  }

  test("that differs is served to nobody, and a push writes the right bytes", async () => {
    await pushImage("a", "latest", "config", [LAYER]);
    await flip();
    expect(await scrub()).toMatchObject({
      ...NOTHING,
      quarantined: [
        {
          kind: "manifest",
          digest,
          objectKey: null,
          detail: `in a: ${flipped.length} bytes in its row that hash to ${sha256(flipped)}`,
        },
      ],
      damaged: [{ repository: "a", digest, tags: ["latest"], missing: [digest] }],
    });
    for (const method of ["GET", "HEAD"])
      for (const reference of [digest, "latest"])
        expect((await request(method, `/v2/a/manifests/${reference}`)).status).toBe(404);
    expect((await scrub()).quarantined).toHaveLength(1);

    expect((await putManifest("a", "latest", IMAGE)).status).toBe(201);
    await expectWhole();
  });

  test("in another repository is none of its business", async () => {
    for (const name of ["a", "b"]) await pushImage(name, "latest", "config", [LAYER]);
    await env.DB.prepare("UPDATE manifests SET content = ?1 WHERE id = 2").bind(flipped).run();
    expect((await scrub()).damaged).toMatchObject([{ repository: "b" }]);
    await putManifest("b", "latest", IMAGE);
    await expectWhole();
  });

  test("that differs is written anew by a push also before anybody noticed", async () => {
    await pushImage("a", "latest", "config", [LAYER]);
    await flip();
    await putManifest("a", "latest", IMAGE);
    await expectWhole();
  });

  test("whose row has another size, or a wrong mark, is mended", async () => {
    await pushImage("a", "latest", "config", [LAYER]);
    await env.DB.prepare("UPDATE manifests SET size = 3").run();
    const detail = `in a: its size is ${JSON.stringify(IMAGE).length}, not 3`;
    expect((await scrub()).healed).toEqual([{ kind: "manifest", digest, detail }]);
    await expectWhole();
    await env.DB.prepare("UPDATE manifests SET missing_at = 1").run();
    expect((await scrub()).healed).toEqual([
      { kind: "manifest", digest, detail: "in a: its bytes are right" },
    ]);
    await expectWhole();
  });
});

describe("what is damaged", () => {
  test("is each manifest that names something missing, once, with its tags and all that it lacks", async () => {
    await pushImage("a", "one", "config", [LAYER, "second"]);
    await pushImage("a", "two", "config", [LAYER, "second"]);
    const other = await pushImage("b", null, "config", ["second"]);
    await pushImage("b", "whole", "config", []);
    for (const content of [LAYER, "second"]) await bucket.delete(await keyOfBlob(sha256(content)));
    const { damaged } = await scrub();
    expect(damaged.map((one) => ({ ...one, missing: [...one.missing].sort() }))).toEqual([
      {
        repository: "a",
        digest: sha256(JSON.stringify(imageOf("config", [LAYER, "second"]))),
        tags: ["one", "two"],
        missing: [DIGEST, sha256("second")].sort(),
      },
      { repository: "b", digest: other, tags: [], missing: [sha256("second")] },
    ]);
  });

  const child = imageOf("config", []);
  const childDigest = sha256(JSON.stringify(child));
  const index = indexOf([child]);
  const lacking = {
    repository: "a",
    digest: sha256(JSON.stringify(index)),
    tags: ["index"],
    missing: [childDigest],
  };

  test("an index whose manifest has been deleted, unless sparse indexes are allowed", async () => {
    await pushImage("a", null, "config", []);
    await putManifest("a", "index", index);
    await request("DELETE", `/v2/a/manifests/${childDigest}`);
    expect((await scrub()).damaged).toEqual([lacking]);
    setVariables({ ALLOW_SPARSE_INDEXES: "true" });
    expect((await scrub()).damaged).toEqual([]);
  });

  test("an index whose manifest is wrong, also where sparse indexes are allowed", async () => {
    setVariables({ ALLOW_SPARSE_INDEXES: "true" });
    await pushImage("a", null, "config", []);
    await putManifest("a", "index", index);
    await env.DB.prepare("UPDATE manifests SET content = '{}' WHERE digest = ?1").bind(childDigest).run();
    expect((await scrub()).damaged).toEqual([
      { repository: "a", digest: childDigest, tags: [], missing: [childDigest] },
      lacking,
    ]);
    await putManifest("a", childDigest, child);
    await expectWell();
  });

  test("nothing that was healed in the same scrub", async () => {
    await pushImage("a", "latest", "config", [LAYER]);
    await env.DB.prepare("UPDATE blobs SET missing_at = 1").run();
    const { healed, damaged } = await scrub();
    expect([healed.length, damaged]).toEqual([2, []]);
    await expectWhole();
  });
});

describe("the call", () => {
  test.each([
    "",
    "x",
    "blobs",
    "blobs:sha256:x",
    "blobs:latest",
    "manifests:-1",
    "manifests:1.5",
    "manifests:9999999999999999",
    "damage:x",
    "objects:registry/identity",
    `objects:blobs/${"x".repeat(5000)}`,
    "links:",
    "objects:",
  ])("after=%s is 400", async (after) => {
    const query = after === "objects:" ? { after } : { after, rebuild: "true" };
    const response = await request("POST", `/v2/_berth/scrub?${new URLSearchParams(query)}`);
    expect([response.status, await codesOf(response)]).toEqual([400, ["UNSUPPORTED"]]);
  });

  test("rebuild is true or false", async () => {
    for (const value of ["", "yes", "1"])
      expect((await request("POST", `/v2/_berth/scrub?rebuild=${value}`)).status).toBe(400);
    expect((await scrubPage({ rebuild: "false" })).phase).toBe("blobs");
  });

  test("is listed among the extensions", async () => {
    expect(await (await request("GET", "/v2/_oci/ext/discover")).text()).toContain("_berth/scrub");
  });

  test("reads rows by the page, not by the registry", async () => {
    const layers = Array.from({ length: 30 }, (_, index) => `layer ${index}`);
    await pushImage("a", "latest", "config", layers);
    const last = `blobs:sha256:${"f".repeat(64)}`;
    const behind = await measure(() => scrubPage({ after: last }));
    expect(behind).toMatchObject({ queries: 1, rowsWritten: 0, r2: {} });
    expect(behind.rowsRead).toBeLessThanOrEqual(1);
    const blobs = await measure(() => scrubPage({ after: "blobs:" }));
    expect(blobs).toMatchObject({ queries: 1, rowsWritten: 0, r2: { head: 31, get: 31 } });
    expect(blobs.rowsRead).toBeLessThanOrEqual(32);
    const manifests = await measure(() => scrubPage({ after: "manifests:" }));
    expect(manifests.rowsRead).toBeLessThanOrEqual(4);
    const damage = await measure(() => scrubPage({ after: "damage:" }));
    expect(damage.rowsRead).toBeLessThanOrEqual(2 * 31 + 6);
  });
});
