/** Moves of repositories that are cut off, or cannot bring all, and uploads that they overtake. */

import { abortAllDurableObjects } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { wholeBucket } from "../support/bucket.ts";
import { breakAll, healAll } from "../support/faults.ts";
import { codesOf, patch, pushBlob, request, sha256, startUpload } from "../support/registry.ts";
import { haveThreeDatabases } from "../support/settings.ts";

import { AFTER, BEFORE, count, expectAll, MOVING, pass, place, pushAll } from "./moves.ts";

beforeEach(() => haveThreeDatabases(BEFORE));

describe("a move", () => {
  test("goes on after a pass that was cut off", async () => {
    const { image } = await pushAll();
    place(MOVING);
    breakAll("BUCKET.put", "before", 3);
    const cut = await request("POST", "/v2/_berth/move-repositories");
    expect([200, 503]).toContain(cut.status);
    healAll();
    expect(await pass()).toMatchObject({ left: [], damaged: [] });
    place(AFTER);
    await expectAll(image);
    expect(await pass()).toMatchObject({ left: [] });
    expect(await count(env.DB, "manifests")).toBe(0);
  });

  test("tells what cannot be copied, and leaves all of that repository", async () => {
    await pushAll();
    const key = await env.DB.prepare("SELECT object_key FROM blobs WHERE digest = ?1")
      .bind(sha256("sbom"))
      .first("object_key");
    await wholeBucket.delete(`DB_2/${key}`);
    place(MOVING);
    const { damaged } = await pass();
    expect(damaged.map(({ missing }) => missing)).toEqual([[sha256("sbom")]]);
    place(AFTER);
    expect(await pass()).toMatchObject({ left: ["team/app"] });
    expect(await count(env.DB, "manifests")).toBe(3);
  });
});

describe("an upload", () => {
  test("that began before its repository moved is unknown afterwards", async () => {
    await pushBlob("team/app", "layer");
    const location = await startUpload("team/app");
    expect((await patch(location, "some")).status).toBe(202);
    place(AFTER);
    // As a deploy does.
    await abortAllDurableObjects();
    const late = await request("PUT", `${location}?digest=${sha256("some")}`);
    expect([late.status, await codesOf(late)]).toEqual([404, ["BLOB_UPLOAD_UNKNOWN"]]);
    place(BEFORE);
    await abortAllDurableObjects();
    expect((await request("PUT", `${location}?digest=${sha256("some")}`)).status).toBe(201);
  });
});
