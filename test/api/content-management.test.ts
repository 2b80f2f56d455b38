import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { bucket } from "../support/bucket.ts";
import { breakAll } from "../support/faults.ts";
import { digestOfManifest, imageOf, indexOf, pushImage } from "../support/images.ts";
import { codesOf, pullBlob, pushBlob, putManifest, request, sha256 } from "../support/registry.ts";

async function tagsOf(name: string): Promise<string[]> {
  return ((await (await request("GET", `/v2/${name}/tags/list`)).json()) as { tags: string[] }).tags;
}

describe("end-9: DELETE manifest", () => {
  test("by tag: that tag only", async () => {
    const digest = await pushImage("a", "v1", "config", []);
    await pushImage("a", "v2", "config", []);
    expect((await request("DELETE", "/v2/a/manifests/v1")).status).toBe(202);
    expect(await tagsOf("a")).toEqual(["v2"]);
    expect((await request("HEAD", `/v2/a/manifests/${digest}`)).status).toBe(200);
    const again = await request("DELETE", "/v2/a/manifests/v1");
    expect([again.status, await codesOf(again)]).toEqual([404, ["MANIFEST_UNKNOWN"]]);
  });

  test("invariant 7: by digest, the manifest and all its tags are gone at once, the blobs stay", async () => {
    const digest = await pushImage("a", "v1", "config", ["layer"]);
    await pushImage("a", "v2", "config", ["layer"]);
    await pushImage("a", "other", "config", []);
    expect((await request("DELETE", `/v2/a/manifests/${digest}`)).status).toBe(202);
    for (const reference of ["v1", "v2", digest]) {
      expect((await request("GET", `/v2/a/manifests/${reference}`)).status).toBe(404);
    }
    expect(await tagsOf("a")).toEqual(["other"]);
    expect((await request("DELETE", `/v2/a/manifests/${digest}`)).status).toBe(404);
    expect(await pullBlob("a", sha256("layer"))).toBe("layer");
  });

  test("touches no repository whose name only begins alike", async () => {
    const digest = await pushImage("a", "latest", "config", []);
    for (const name of ["a/b", "a/manifests-x", "ab", `a/${digest.replace(":", "-")}`]) {
      await pushImage(name, "latest", "config", []);
    }
    await request("DELETE", `/v2/a/manifests/${digest}`);
    for (const name of ["a/b", "a/manifests-x", "ab", `a/${digest.replace(":", "-")}`]) {
      expect((await request("HEAD", `/v2/${name}/manifests/${digest}`)).status).toBe(200);
    }
  });

  test("interrupted half-way leaves all or nothing", async () => {
    const digest = await pushImage("a", "v1", "config", []);
    breakAll("DB.batch", "before");
    expect((await request("DELETE", `/v2/a/manifests/${digest}`)).status).toBe(503);
    expect(await tagsOf("a")).toEqual(["v1"]);
    breakAll("DB.batch", "after");
    expect((await request("DELETE", `/v2/a/manifests/${digest}`)).status).toBe(503);
    expect(await tagsOf("a")).toEqual([]);
    const tables = ["manifests", "tags", "manifest_blobs"] as const;
    for (const table of tables) {
      expect(await env.DB.prepare(`SELECT count(*) AS n FROM ${table}`).first("n")).toBe(0);
    }
  });

  test("invariant 6: a manifest kept in R2 is doomed by the statement that deletes its row", async () => {
    const digest = await pushImage("a", "v1", "config", [], { padding: "x".repeat(1_100_000) });
    const [object] = await bucket.list("manifests/");
    await request("DELETE", `/v2/a/manifests/${digest}`);
    expect(await env.DB.prepare("SELECT object_key FROM doomed_objects").first("object_key")).toBe(
      object?.key,
    );
  });

  test("a child of an index can be deleted", async () => {
    const child = await pushImage("a", null, "config", []);
    await putManifest("a", "latest", indexOf([imageOf("config", [])]));
    expect((await request("DELETE", `/v2/a/manifests/${child}`)).status).toBe(202);
    expect((await request("GET", "/v2/a/manifests/latest")).status).toBe(200);
  });

  test("what was deleted can be pushed again", async () => {
    const digest = await pushImage("a", "v1", "config", ["layer"]);
    await request("DELETE", `/v2/a/manifests/${digest}`);
    expect((await putManifest("a", "v1", imageOf("config", ["layer"]))).status).toBe(201);
    expect(digestOfManifest(imageOf("config", ["layer"]))).toBe(digest);
  });
});

describe("end-10: DELETE blob", () => {
  test("takes it out of this repository only", async () => {
    const digest = await pushBlob("a", "hello");
    await pushBlob("b", "hello");
    expect((await request("DELETE", `/v2/a/blobs/${digest}`)).status).toBe(202);
    expect(await pullBlob("a", digest)).toBe("status 404");
    expect(await pullBlob("b", digest)).toBe("hello");
    const again = await request("DELETE", `/v2/a/blobs/${digest}`);
    expect([again.status, await codesOf(again)]).toEqual([404, ["BLOB_UNKNOWN"]]);
  });

  test("is possible once the manifest is gone, and the blob can come again", async () => {
    const manifest = await pushImage("a", "v1", "config", []);
    await request("DELETE", `/v2/a/manifests/${manifest}`);
    expect((await request("DELETE", `/v2/a/blobs/${sha256("config")}`)).status).toBe(202);
    await pushBlob("a", "config");
    expect(await pullBlob("a", sha256("config"))).toBe("config");
  });
});
