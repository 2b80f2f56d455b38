import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { bucket } from "../support/bucket.ts";
import { breakAll, breakNext, interleave } from "../support/faults.ts";
import { descriptorOf, digestOfManifest, imageOf, indexOf, LAYER, pushImage } from "../support/images.ts";
import {
  bytesOf,
  codesOf,
  locationOf,
  pushBlob,
  putManifest,
  request,
  sha256,
  sha512,
  streamOf,
  textOf,
} from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";

const ABSENT = `sha256:${"0".repeat(64)}`;

async function pushConfig(name = "a"): Promise<void> {
  await pushBlob(name, "config");
}

/** A manifest of exactly `size` bytes. */
function padded(size: number): string {
  const text = JSON.stringify(imageOf("config", [], { padding: "" }));
  return text.replace('"padding":""', `"padding":"${"x".repeat(size - text.length)}"`);
}

describe("end-7a: PUT manifest", () => {
  test("201 with Location and digest, by tag and by digest", async () => {
    await pushConfig();
    const manifest = imageOf("config", []);
    const digest = digestOfManifest(manifest);
    for (const reference of ["latest", digest]) {
      const response = await putManifest("a", reference, manifest);
      expect([response.status, locationOf(response)]).toEqual([201, `/v2/a/manifests/${digest}`]);
      expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    }
  });

  test("of unknown length", async () => {
    await pushConfig();
    const body = streamOf([bytesOf(JSON.stringify(imageOf("config", [])))]);
    const response = await request("PUT", "/v2/a/manifests/latest", { body });
    expect(response.status).toBe(201);
  });

  test("under sha512, and a tag keeps the digest it was pushed under", async () => {
    await pushConfig();
    const text = JSON.stringify(imageOf("config", []));
    const response = await putManifest("a", `${sha512(text)}?tag=latest`, text);
    expect([response.status, response.headers.get("Docker-Content-Digest")]).toEqual([201, sha512(text)]);
    const byTag = await request("HEAD", "/v2/a/manifests/latest");
    expect(byTag.headers.get("Docker-Content-Digest")).toBe(sha512(text));
    expect((await request("HEAD", `/v2/a/manifests/${sha256(text)}`)).status).toBe(404);
  });

  test("invariant 3: a body that does not hash to its digest is 400 and not stored", async () => {
    await pushConfig();
    for (const digest of [ABSENT, sha512("other")]) {
      const response = await putManifest("a", digest, imageOf("config", []));
      expect([response.status, await codesOf(response)]).toEqual([400, ["DIGEST_INVALID"]]);
      expect((await request("GET", `/v2/a/manifests/${digest}`)).status).toBe(404);
    }
  });

  test("every media type; without mediaType the Content-Type says which, and the other way round", async () => {
    await pushConfig();
    for (const mediaType of [OCI_MANIFEST, DOCKER_MANIFEST]) {
      const manifest = imageOf("config", [], { mediaType: undefined });
      expect((await putManifest("a", "t", manifest, { "Content-Type": mediaType })).status).toBe(201);
      const response = await request("HEAD", "/v2/a/manifests/t");
      expect(response.headers.get("Content-Type")).toBe(mediaType);
      const own = await request("PUT", "/v2/a/manifests/own", {
        body: bytesOf(JSON.stringify(imageOf("config", [], { mediaType }))),
      });
      expect(own.status).toBe(201);
    }
    for (const mediaType of [OCI_INDEX, DOCKER_MANIFEST_LIST]) {
      expect((await putManifest("a", "i", { schemaVersion: 2, mediaType, manifests: [] })).status).toBe(201);
    }
  });

  test("unknown fields, data fields, null annotations, empty lists are fine", async () => {
    await pushConfig();
    const config = { ...descriptorOf("config", "x/y"), data: "Y29uZmln", foo: 1 };
    const manifest = imageOf("config", [], {
      config,
      extra: { deep: [null] },
      annotations: null,
      artifactType: "",
    });
    expect((await putManifest("a", "latest", manifest)).status).toBe(201);
  });

  test("what Go writes for nil: null lists, subject and types", async () => {
    await pushConfig();
    const manifest = imageOf("config", [], { layers: null, subject: null, artifactType: null });
    expect((await putManifest("a", "latest", manifest)).status).toBe(201);
    expect((await putManifest("a", "index", indexOf([], { manifests: null, subject: null }))).status).toBe(
      201,
    );
  });

  test("moves a tag, and repeated changes nothing", async () => {
    const first = await pushImage("a", "latest", "config", []);
    const second = await pushImage("a", "latest", "config", ["layer"]);
    await pushImage("a", "latest", "config", ["layer"]);
    expect((await request("HEAD", "/v2/a/manifests/latest")).headers.get("Docker-Content-Digest")).toBe(
      second,
    );
    expect((await request("HEAD", `/v2/a/manifests/${first}`)).status).toBe(200);
  });
});

describe("sizes", () => {
  for (const size of [999_999, 1_000_000, 1_000_001, 4 * 1024 * 1024]) {
    test(`a manifest of ${size} bytes comes back byte for byte`, async () => {
      await pushConfig();
      const text = padded(size);
      for (let time = 0; time < 2; time++) {
        expect((await putManifest("a", "latest", text)).status).toBe(201);
      }
      const response = await request("GET", "/v2/a/manifests/latest");
      expect(response.headers.get("Content-Length")).toBe(String(size));
      expect(await textOf(response)).toBe(text);
      const objects = await bucket.list("manifests/");
      expect(objects).toHaveLength(size > 1_000_000 ? 1 : 0);
    });
  }

  for (const when of ["before", "after"] as const) {
    test(`a large manifest whose write fails ${when} it was made is whole once it is pushed again`, async () => {
      await pushConfig();
      const text = padded(1_100_000);
      // The first batch checks what the manifest names, the second writes.
      interleave("DB.batch", async () => breakAll("DB.batch", when));
      await putManifest("a", "latest", text);
      const tried = await putManifest("a", "latest", text);
      expect([201, 503]).toContain(tried.status);
      expect((await putManifest("a", "latest", text)).status).toBe(201);
      expect(await textOf(await request("GET", "/v2/a/manifests/latest"))).toBe(text);
    });
  }

  describe("a large manifest whose write went through with its answer lost, and before the repetition", () => {
    /** Between the first try and the second. */
    function meanwhile(what: () => Promise<unknown>): void {
      interleave("DB.batch", async () => {
        breakNext("DB.batch", "after");
        interleave("DB.batch", what, 1);
      });
    }

    test("it was deleted: the push brings a new object, and none that waits to be deleted", async () => {
      await pushConfig();
      const text = padded(1_100_000);
      meanwhile(() => request("DELETE", `/v2/a/manifests/${sha256(text)}`));
      expect((await putManifest("a", "latest", text)).status).toBe(201);
      const named = await env.DB.prepare(
        "SELECT count(*) AS n FROM manifests JOIN doomed_objects USING (object_key)",
      ).first("n");
      expect(named).toBe(0);
      expect(await textOf(await request("GET", "/v2/a/manifests/latest"))).toBe(text);
    });

    test("a child of it was deleted: it is refused, and what a row names keeps its object", async () => {
      await pushConfig();
      const child = JSON.stringify(imageOf("config", []));
      await putManifest("a", sha256(child), child, { "Content-Type": OCI_MANIFEST });
      const index = JSON.stringify({
        ...indexOf([], {
          manifests: [{ mediaType: OCI_MANIFEST, digest: sha256(child), size: child.length }],
        }),
        padding: "x".repeat(1_100_000),
      });
      meanwhile(() => request("DELETE", `/v2/a/manifests/${sha256(child)}`));
      await putManifest("a", "latest", index, { "Content-Type": indexOf([]).mediaType });
      expect(await textOf(await request("GET", "/v2/a/manifests/latest"))).toBe(index);
    });
  });

  test("whoever may not push is told so before the body is taken in", async () => {
    const response = await request("PUT", "/v2/a/manifests/latest", {
      body: new Uint8Array(5_000_000),
      headers: { Authorization: "" },
    });
    expect(response.status).toBe(401);
  });

  test("a byte more than 4 MiB is 413, with known and unknown length", async () => {
    const text = padded(4 * 1024 * 1024 + 1);
    for (const body of [bytesOf(text), streamOf([bytesOf(text)])]) {
      const response = await request("PUT", "/v2/a/manifests/latest", { body });
      expect([response.status, await codesOf(response)]).toEqual([413, ["MANIFEST_INVALID"]]);
    }
  });

  test("thousands of references", async () => {
    await pushConfig();
    const manifests = Array.from({ length: 12_000 }, (_, index) =>
      descriptorOf(`child ${index}`, OCI_MANIFEST),
    );
    const response = await putManifest("a", "latest", { schemaVersion: 2, mediaType: OCI_INDEX, manifests });
    expect(response.status).toBe(400);
    const { errors } = (await response.json()) as { errors: { message: string }[] };
    expect([errors.length, errors.at(-1)?.message]).toEqual([101, "11900 more of these are not listed"]);
  });
});

describe("invariant 1: what a manifest names exists and stays", () => {
  test("missing blobs are all listed", async () => {
    await pushBlob("a", "one");
    const response = await putManifest("a", "latest", imageOf("config", ["one", "two", "two"]));
    expect(response.status).toBe(400);
    const { errors } = (await response.json()) as { errors: { code: string; detail: { digest: string } }[] };
    expect(errors.map(({ code, detail }) => [code, detail.digest])).toEqual([
      ["MANIFEST_BLOB_UNKNOWN", sha256("config")],
      ["MANIFEST_BLOB_UNKNOWN", sha256("two")],
    ]);
    expect((await request("HEAD", "/v2/a/manifests/latest")).status).toBe(404);
  });

  test("a layer with urls need not exist; when it does it is held on to", async () => {
    await pushConfig();
    const elsewhere = { ...descriptorOf("far", LAYER), urls: ["https://example.com/far"] };
    expect((await putManifest("a", "latest", imageOf("config", [], { layers: [elsewhere] }))).status).toBe(
      201,
    );
    const digest = await pushBlob("a", "far");
    expect((await putManifest("a", "latest", imageOf("config", [], { layers: [elsewhere] }))).status).toBe(
      201,
    );
    expect((await request("DELETE", `/v2/a/blobs/${digest}`)).status).toBe(405);
  });

  test("a blob that a manifest names cannot be deleted, and the answer names the manifest", async () => {
    const manifest = await pushImage("a", "latest", "config", ["layer"]);
    const response = await request("DELETE", `/v2/a/blobs/${sha256("layer")}`);
    expect([response.status, (await response.text()).includes(manifest)]).toEqual([405, true]);
    expect((await request("HEAD", `/v2/a/blobs/${sha256("layer")}`)).status).toBe(200);
  });

  test("the database refuses to drop what is named, whoever asks", async () => {
    await pushImage("a", "latest", "config", ["layer"]);
    await expect(env.DB.prepare("DELETE FROM repository_blobs").run()).rejects.toThrow("FOREIGN KEY");
    await expect(env.DB.prepare("DELETE FROM blobs").run()).rejects.toThrow("FOREIGN KEY");
  });

  test("a blob deleted between the check and the write is found missing", async () => {
    for (const content of ["config", "layer"]) await pushBlob("a", content);
    interleave("DB.batch", async () => {
      // The first batch checks; this one runs before the second, which writes.
      interleave("DB.batch", () => request("DELETE", `/v2/a/blobs/${sha256("layer")}`));
    });
    const response = await putManifest("a", "latest", imageOf("config", ["layer"]));
    expect([response.status, await codesOf(response)]).toEqual([400, ["MANIFEST_BLOB_UNKNOWN"]]);
  });

  test("what another repository holds is missing, and what this one holds is not", async () => {
    for (const content of ["config", "layer"]) await pushBlob("other", content);
    const child = await pushImage("other", null, "config", []);
    await pushBlob("a", "mine");
    expect((await putManifest("a", "latest", imageOf("mine", []))).status).toBe(201);
    for (const manifest of [imageOf("config", ["layer"]), indexOf([imageOf("config", [])])]) {
      const response = await putManifest("a", "latest", manifest);
      expect([response.status, await codesOf(response)]).toEqual([
        400,
        expect.arrayContaining(["MANIFEST_BLOB_UNKNOWN"]),
      ]);
    }
    expect((await request("HEAD", `/v2/a/manifests/${child}`)).status).toBe(404);
  });

  test("a push changes its own repository only, also beside one that holds the same", async () => {
    const rowsBeside = async () => {
      const tables = ["manifests", "manifest_blobs", "index_manifests", "tags", "repository_blobs"];
      const queries = tables.map((table) =>
        env.DB.prepare(
          `SELECT '${table}' AS kind, * FROM ${table}
           WHERE repository_id = (SELECT id FROM repositories WHERE name = 'beside')`,
        ),
      );
      return (await env.DB.batch(queries)).map(({ results }) => results);
    };
    const child = imageOf("config", ["layer"]);
    await pushImage("beside", "latest", "config", ["layer"]);
    await putManifest("beside", "index", indexOf([child]));
    for (const content of ["config", "layer", "more"]) await pushBlob("a", content);
    const before = await rowsBeside();
    setVariables({ ALLOW_SPARSE_INDEXES: "true" });
    for (const [reference, manifest] of [
      ["sparse", indexOf([imageOf("more", [])])],
      ["latest", child],
      ["index", indexOf([child])],
      ["own", indexOf([child], { annotations: { own: "yes" } })],
      ["latest", imageOf("config", ["more"])],
      ["large", imageOf("more", ["layer"], { padding: "x".repeat(1_000_001) })],
    ] as const)
      expect((await putManifest("a", reference, manifest)).status).toBe(201);
    expect(await rowsBeside()).toEqual(before);
    expect(before.flat().length).toBeGreaterThan(6);
  });

  test("the object of a large manifest that is refused at the write is gone, or waits to be deleted", async () => {
    for (const content of ["config", "layer"]) await pushBlob("a", content);
    interleave("DB.batch", async () => {
      interleave("DB.batch", () => request("DELETE", `/v2/a/blobs/${sha256("layer")}`));
    });
    const large = imageOf("config", ["layer"], { padding: "x".repeat(1_000_001) });
    expect((await putManifest("a", "latest", large)).status).toBe(400);
    const objects = await bucket.list("manifests/");
    const doomed = await env.DB.prepare("SELECT object_key FROM doomed_objects").all<{
      object_key: string;
    }>();
    const waiting = doomed.results.map(({ object_key }) => object_key);
    expect(objects.filter(({ key }) => !waiting.includes(key))).toEqual([]);
  });

  test("a child deleted between the check and the write is found missing", async () => {
    const child = await pushImage("a", null, "config", []);
    interleave("DB.batch", async () => {
      interleave("DB.batch", () =>
        env.DB.prepare("DELETE FROM manifests WHERE digest = ?1").bind(child).run(),
      );
    });
    const response = await putManifest("a", "latest", indexOf([imageOf("config", [])]));
    expect([response.status, await codesOf(response)]).toEqual([400, ["MANIFEST_BLOB_UNKNOWN"]]);
  });

  test("a missing child of an index is refused, unless sparse indexes are allowed", async () => {
    const child = imageOf("config", []);
    const refused = await putManifest("a", "latest", indexOf([child]));
    expect([refused.status, await codesOf(refused)]).toEqual([400, ["MANIFEST_BLOB_UNKNOWN"]]);
    await pushImage("a", null, "config", []);
    expect((await putManifest("a", "latest", indexOf([child]))).status).toBe(201);
  });

  test("an index of blobs, as BuildKit exports its cache, holds on to them", async () => {
    const layer = await pushBlob("a", "layer");
    const index = indexOf([], { manifests: [descriptorOf("layer", LAYER)] });
    expect((await putManifest("a", "cache", index)).status).toBe(201);
    expect((await request("DELETE", `/v2/a/blobs/${layer}`)).status).toBe(405);
  });

  test("a missing subject is accepted and answered with OCI-Subject", async () => {
    await pushConfig();
    const subject = { mediaType: OCI_MANIFEST, digest: ABSENT, size: 7 };
    const response = await putManifest("a", "latest", imageOf("config", [], { subject }));
    expect([response.status, response.headers.get("OCI-Subject")]).toEqual([201, ABSENT]);
  });
});

describe("end-7b: PUT ?tag=", () => {
  test("all tags in one push, one OCI-Tag for each", async () => {
    await pushConfig();
    const manifest = imageOf("config", []);
    const tags = Array.from({ length: 10 }, (_, index) => `v${index}`);
    const query = tags.map((tag) => `tag=${tag}`).join("&");
    const response = await putManifest("a", `${digestOfManifest(manifest)}?${query}`, manifest);
    expect(response.status).toBe(201);
    expect(response.headers.get("OCI-Tag")?.split(", ")).toEqual(tags);
    for (const tag of tags) expect((await request("HEAD", `/v2/a/manifests/${tag}`)).status).toBe(200);
  });

  test("too many are 414, a malformed one 400, and then none is written", async () => {
    await pushConfig();
    const manifest = imageOf("config", []);
    const many = Array.from({ length: 101 }, (_, index) => `tag=v${index}`).join("&");
    expect((await putManifest("a", `${digestOfManifest(manifest)}?${many}`, manifest)).status).toBe(414);
    const malformed = await putManifest("a", `${digestOfManifest(manifest)}?tag=ok&tag=.bad`, manifest);
    expect([malformed.status, await codesOf(malformed)]).toEqual([400, ["MANIFEST_INVALID"]]);
    expect((await request("HEAD", "/v2/a/manifests/ok")).status).toBe(404);
  });
});

describe("bad manifests are 400 MANIFEST_INVALID", () => {
  const good = imageOf("config", []);
  const config = good.config;
  const cases: [string, unknown, string?][] = [
    ["not JSON", "{"],
    ["empty", ""],
    ["a byte order mark", `\ufeff${JSON.stringify(good)}`],
    ["an array", "[]"],
    ["a string", '"x"'],
    ["null", "null"],
    ["schemaVersion missing", { ...good, schemaVersion: undefined }],
    [
      "schema 1",
      { schemaVersion: 1, name: "a", fsLayers: [] },
      "application/vnd.docker.distribution.manifest.v1+prettyjws",
    ],
    ["schema 1 without a type", { schemaVersion: 1, name: "a", fsLayers: [] }],
    ["an unknown media type", { ...good, mediaType: "application/json" }],
    ["a contradicting Content-Type", good, OCI_INDEX],
    ["no config", { ...good, config: undefined }],
    ["no layers", { ...good, layers: undefined }],
    ["layers that are no list", { ...good, layers: {} }],
    ["a layer that is no descriptor", { ...good, layers: ["x"] }],
    ["a digest that is none", { ...good, config: { ...config, digest: "sha256:x" } }],
    ["a size that is none", { ...good, config: { ...config, size: -1 } }],
    ["a subject that is none", { ...good, subject: {} }],
    ["annotations that are no strings", { ...good, annotations: { a: 1 } }],
    ["an artifactType that is none", { ...good, artifactType: 7 }],
    ["an endless artifactType", { ...good, artifactType: "x".repeat(300) }],
    ["an index without manifests", { schemaVersion: 2, mediaType: OCI_INDEX }],
    ["deep nesting", "[".repeat(1_000_000)],
  ];
  test.each(cases)("%s", async (_, manifest, contentType) => {
    await pushConfig();
    const headers: Record<string, string> = contentType === undefined ? {} : { "Content-Type": contentType };
    const response = await putManifest("a", "latest", manifest, headers);
    expect([response.status, await codesOf(response)]).toEqual([400, ["MANIFEST_INVALID"]]);
  });

  test("not UTF-8", async () => {
    const bytes = bytesOf(JSON.stringify(good).replace("config", "c?nfig"));
    bytes[bytes.indexOf(63)] = 0xff;
    const response = await request("PUT", "/v2/a/manifests/latest", { body: bytes });
    expect([response.status, await codesOf(response)]).toEqual([400, ["MANIFEST_INVALID"]]);
  });

  test("a malformed tag", async () => {
    for (const tag of [".x", "-x", "x".repeat(129), "a%20b", "a+b"]) {
      const response = await putManifest("a", tag, good);
      expect([tag, response.status, await codesOf(response)]).toEqual([tag, 400, ["MANIFEST_INVALID"]]);
    }
  });
});
