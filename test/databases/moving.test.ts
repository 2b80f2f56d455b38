/** Repositories that move from one database to another. */

import { abortAllDurableObjects } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { breakAll, healAll } from "../support/faults.ts";
import { digestOfManifest, imageOf, indexOf, pushImage } from "../support/images.ts";
import {
  codesOf,
  patch,
  pushBlob,
  putManifest,
  request,
  sha256,
  startUpload,
  textOf,
} from "../support/registry.ts";
import { haveThreeDatabases, setVariables } from "../support/settings.ts";

/** `team` is in DB_2, which the tests call DB, and goes to the third. */
const BEFORE = "team=DB_2";
const MOVING = "team=DB_2>DB_3";
const AFTER = "team=DB_3";

beforeEach(() => haveThreeDatabases(BEFORE));

interface Page {
  next: string | null;
  moved: number;
  left: string[];
  damaged: { digest: string; missing: string[] }[];
}

/** A pass through all pages. */
async function pass(): Promise<Omit<Page, "next">> {
  const all = { moved: 0, left: [] as string[], damaged: [] as Page["damaged"] };
  for (let next: string | null = ""; next !== null; ) {
    const query: string = next === "" ? "" : `?after=${encodeURIComponent(next)}`;
    const response = await request("POST", `/v2/_berth/move-repositories${query}`);
    expect(response.status).toBe(200);
    const page = (await response.json()) as Page;
    all.moved += page.moved;
    all.left.push(...page.left);
    all.damaged.push(...page.damaged);
    expect(page.next).not.toBe(next);
    next = page.next;
  }
  return all;
}

const place = (places: string) => setVariables({ DATABASES: places });

const tags = async (name: string) =>
  ((await (await request("GET", `/v2/${name}/tags/list`)).json()) as { tags: string[] }).tags;

const getBlob = (name: string, digest: string) => request("GET", `/v2/${name}/blobs/${digest}`);

const count = (db: D1Database, table: string) => db.prepare(`SELECT count(*) AS n FROM ${table}`).first("n");

/** Two repositories with an index, a referrer and a blob in both. */
async function pushAll(): Promise<{ index: object; image: string }> {
  const image = await pushImage("team/app", "v1", "config", ["layer", "shared"], { annotations: { a: "b" } });
  const index = indexOf([imageOf("config", ["layer", "shared"], { annotations: { a: "b" } })]);
  expect((await putManifest("team/app", "multi", index)).status).toBe(201);
  const subject = { mediaType: imageOf("", []).mediaType, digest: image, size: 1 };
  await pushImage("team/app", null, "{}", ["sbom"], { subject });
  await pushImage("team/other", "latest", "other", ["shared"]);
  return { index, image };
}

async function expectAll(image: string): Promise<void> {
  expect(await tags("team/app")).toEqual(["multi", "v1"]);
  expect(await tags("team/other")).toEqual(["latest"]);
  for (const reference of ["multi", "v1", image])
    expect((await request("GET", `/v2/team/app/manifests/${reference}`)).status).toBe(200);
  for (const layer of ["config", "layer", "shared", "sbom", "{}"])
    expect(await textOf(await getBlob("team/app", sha256(layer)))).toBe(layer);
  const { manifests } = (await (await request("GET", `/v2/team/app/referrers/${image}`)).json()) as {
    manifests: object[];
  };
  expect(manifests).toHaveLength(1);
}

describe("a segment", () => {
  test("moves whole: it is served from where it was until the setting says otherwise, and then leaves nothing", async () => {
    const { image } = await pushAll();
    const before = await env.DB.prepare("SELECT updated_at FROM tags WHERE name = 'v1'").first("updated_at");
    place(MOVING);
    expect(await pass()).toEqual({ moved: 4, left: [], damaged: [] });
    expect(await pass()).toEqual({ moved: 0, left: [], damaged: [] });
    await expectAll(image);
    expect(await count(env.DB, "manifests")).toBe(4);
    place(AFTER);
    await expectAll(image);
    expect(await count(env.DB_THIRD, "blobs")).toBe(6);
    expect(
      await env.DB_THIRD.prepare("SELECT updated_at FROM tags WHERE name = 'v1'").first("updated_at"),
    ).toBe(before);
    expect(await pass()).toEqual({ moved: 0, left: [], damaged: [] });
    expect(await count(env.DB, "manifests")).toBe(0);
    await expectAll(image);
    await pushImage("team/app", "v2", "config", ["layer", "new"]);
  });

  test("is not pushed to, nor deleted from, while it moves; others are", async () => {
    await pushAll();
    place(MOVING);
    for (const [method, path] of [
      ["POST", "/v2/team/app/blobs/uploads/"],
      ["PUT", "/v2/team/app/manifests/v2"],
      ["DELETE", "/v2/team/app/manifests/v1"],
    ] as const) {
      const refused = await request(method, path);
      expect([refused.status, await codesOf(refused)]).toEqual([405, ["UNSUPPORTED"]]);
    }
    expect((await request("HEAD", "/v2/team/app/manifests/v1")).status).toBe(200);
    await pushImage("other/app", "v1", "config", []);
  });

  test("takes a second pass for what came after the first, and only for that repository", async () => {
    const { image } = await pushAll();
    place(MOVING);
    await pass();
    place(BEFORE);
    await pushImage("team/app", "late", "late", []);
    expect((await request("DELETE", "/v2/team/other/manifests/latest")).status).toBe(202);
    await request("DELETE", `/v2/team/other/manifests/${digestOfManifest(imageOf("other", ["shared"]))}`);
    place(MOVING);
    expect(await pass()).toMatchObject({ moved: 4, left: [] });
    place(AFTER);
    await pass();
    expect(await tags("team/app")).toEqual(["late", "multi", "v1"]);
    expect((await request("GET", `/v2/team/app/manifests/${image}`)).status).toBe(200);
    expect(await tags("team/other")).toEqual([]);
    expect(await count(env.DB, "manifests")).toBe(0);
  });

  test("that was not copied is left where it is, and told", async () => {
    await pushAll();
    place(AFTER);
    expect(await pass()).toEqual({ moved: 0, left: ["team/app", "team/other"], damaged: [] });
    expect(await count(env.DB, "manifests")).toBe(4);
    place(BEFORE);
    expect(await tags("team/app")).toEqual(["multi", "v1"]);
  });

  test("keeps where it was what was pushed there behind the last pass", async () => {
    await pushAll();
    place(MOVING);
    await pass();
    place(BEFORE);
    await pushImage("team/app", "late", "late", []);
    place(AFTER);
    expect(await pass()).toMatchObject({ left: ["team/app"] });
    place(BEFORE);
    expect(await tags("team/app")).toContain("late");
    expect((await request("GET", "/v2/team/app/manifests/late")).status).toBe(200);
  });

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
    await env.BUCKET.delete(`DB_2/${key}`);
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
