/** Repositories that move from one database to another. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { digestOfManifest, imageOf, pushImage } from "../support/images.ts";
import { codesOf, request, sha256, textOf } from "../support/registry.ts";
import { haveThreeDatabases } from "../support/settings.ts";

import { AFTER, BEFORE, count, expectAll, MOVING, pass, place, pushAll, tags } from "./moves.ts";

beforeEach(() => haveThreeDatabases(BEFORE));

describe("a segment", () => {
  test("moves whole: it is served from where it was until the setting says otherwise, and then leaves nothing", async () => {
    const { image } = await pushAll();
    const before = await env.DB.prepare("SELECT updated_at FROM tags WHERE name = 'v1'").first("updated_at");
    await env.DB.prepare("UPDATE manifests SET pulled_at = 86400000 WHERE digest = ?1").bind(image).run();
    place(MOVING);
    await env.DB.prepare("UPDATE repositories SET pushed_at = 7 WHERE name = 'team/app'").run();
    expect(await pass()).toEqual({ moved: 4, left: [], damaged: [] });
    const moved = env.THIRD_DB.prepare("SELECT pushed_at FROM repositories WHERE name = 'team/app'");
    expect(await moved.first("pushed_at")).toBe(7);
    const copies = env.THIRD_DB.prepare("SELECT pulled_at FROM manifests WHERE digest = ?1").bind(image);
    expect(await copies.first("pulled_at")).toBe(86_400_000);
    expect(await pass()).toEqual({ moved: 0, left: [], damaged: [] });
    await expectAll(image);
    expect(await count(env.DB, "manifests")).toBe(4);
    place(AFTER);
    await expectAll(image);
    expect(await count(env.THIRD_DB, "blobs")).toBe(6);
    expect(
      await env.THIRD_DB.prepare("SELECT updated_at FROM tags WHERE name = 'v1'").first("updated_at"),
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

  test("keeps where it was a repository that was pushed to behind the last pass", async () => {
    await pushAll();
    place(MOVING);
    await pass();
    place(BEFORE);
    await pushImage("team/app", "late", "late", []);
    place(AFTER);
    expect(await pass()).toMatchObject({ left: ["team/app"] });
    place(BEFORE);
    expect(await tags("team/app")).toEqual(["late", "multi", "v1"]);
    expect(await textOf(await request("GET", "/v2/team/app/manifests/late"))).toContain(sha256("late"));
  });
});
