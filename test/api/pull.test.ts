import { describe, expect, test } from "vitest";
import { CONFIG, imageOf, pushImage } from "../support/images.ts";
import { codesOf, pushBlob, putManifest, request, sha256, sha512, textOf } from "../support/registry.ts";

const HELLO = "hello";
const ABSENT = `sha256:${"0".repeat(64)}`;

describe("end-1: GET /v2/", () => {
  test("200, with and without the slash, and 405 with Allow for other methods", async () => {
    for (const path of ["/v2/", "/v2"]) expect((await request("GET", path)).status).toBe(200);
    const response = await request("PUT", "/v2/");
    expect([response.status, response.headers.get("Allow")]).toEqual([405, "GET, HEAD"]);
    expect(await codesOf(response)).toEqual(["UNSUPPORTED"]);
  });
});

describe("end-2: GET, HEAD blob", () => {
  test("the bytes, their digest and length on both methods", async () => {
    const digest = await pushBlob("a", HELLO);
    for (const method of ["GET", "HEAD"]) {
      const response = await request(method, `/v2/a/blobs/${digest}`);
      expect(response.status).toBe(200);
      expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
      expect(response.headers.get("Content-Length")).toBe("5");
      expect(response.headers.get("Content-Type")).toBe("application/octet-stream");
      expect(response.headers.get("Accept-Ranges")).toBe("bytes");
      expect(response.headers.get("ETag")).toBe(`"${digest}"`);
      expect(response.headers.get("Cache-Control")).toContain("no-transform");
      expect(await textOf(response)).toBe(method === "GET" ? HELLO : "");
    }
  });

  test("404 for an unknown blob and an unknown repository", async () => {
    await pushBlob("a", HELLO);
    for (const path of [`/v2/a/blobs/${ABSENT}`, `/v2/b/blobs/${sha256(HELLO)}`]) {
      expect((await request("HEAD", path)).status).toBe(404);
      const response = await request("GET", path);
      expect([response.status, await codesOf(response)]).toEqual([404, ["BLOB_UNKNOWN"]]);
    }
  });

  test("invariant 2: a digest that another repository holds is 404 here, on every method", async () => {
    const digest = await pushBlob("secret", HELLO);
    for (const method of ["GET", "HEAD", "DELETE"]) {
      expect((await request(method, `/v2/a/blobs/${digest}`)).status).toBe(404);
    }
    const manifest = await putManifest("a", "latest", imageOf(HELLO, []));
    expect([manifest.status, await codesOf(manifest)]).toEqual([400, ["MANIFEST_BLOB_UNKNOWN"]]);
  });

  test.each([
    ["bytes=0-0", "h", "bytes 0-0/5"],
    ["bytes=1-3", "ell", "bytes 1-3/5"],
    ["bytes=2-", "llo", "bytes 2-4/5"],
    ["bytes=-2", "lo", "bytes 3-4/5"],
    ["bytes=-99", "hello", "bytes 0-4/5"],
    ["bytes=3-99", "lo", "bytes 3-4/5"],
    ["bytes=1-5", "ello", "bytes 1-4/5"],
    ["Bytes=1-1", "e", "bytes 1-1/5"],
  ])("Range: %s is 206 with %j", async (range, body, contentRange) => {
    const digest = await pushBlob("a", HELLO);
    const response = await request("GET", `/v2/a/blobs/${digest}`, { headers: { Range: range } });
    expect([response.status, response.headers.get("Content-Range")]).toEqual([206, contentRange]);
    expect(response.headers.get("Content-Length")).toBe(String(body.length));
    expect(await textOf(response)).toBe(body);
  });

  test.each([
    "bytes=5-",
    "bytes=5-9",
    "bytes=500-0",
    "bytes=3-2",
    "bytes=-0",
    "bytes=-",
    "bytes=x-y",
    "bytes=",
  ])("Range: %s is 416 with the size", async (range) => {
    const digest = await pushBlob("a", HELLO);
    const response = await request("GET", `/v2/a/blobs/${digest}`, { headers: { Range: range } });
    expect([response.status, response.headers.get("Content-Range")]).toEqual([416, "bytes */5"]);
    expect(await codesOf(response)).toEqual(["SIZE_INVALID"]);
  });

  test.each(["bytes=0-1,3-4", "items=0-1", "nonsense"])("Range: %s is answered whole", async (range) => {
    const digest = await pushBlob("a", HELLO);
    const response = await request("GET", `/v2/a/blobs/${digest}`, { headers: { Range: range } });
    expect([response.status, await textOf(response)]).toEqual([200, HELLO]);
  });

  test("an empty blob is answered whole, whatever the Range", async () => {
    const digest = await pushBlob("a", "");
    const response = await request("GET", `/v2/a/blobs/${digest}`, { headers: { Range: "bytes=0-" } });
    expect([response.status, response.headers.get("Content-Length")]).toEqual([200, "0"]);
  });

  test("If-None-Match is 304, only where the caller may see the blob", async () => {
    const digest = await pushBlob("a", HELLO);
    for (const tag of [`"${digest}"`, `W/"${digest}"`, `"x", "${digest}"`, "*"]) {
      for (const method of ["GET", "HEAD"]) {
        const response = await request(method, `/v2/a/blobs/${digest}`, {
          headers: { "If-None-Match": tag },
        });
        expect([tag, response.status]).toEqual([tag, 304]);
      }
      const elsewhere = await request("GET", `/v2/b/blobs/${digest}`, { headers: { "If-None-Match": tag } });
      expect(elsewhere.status).toBe(404);
    }
    const other = await request("GET", `/v2/a/blobs/${digest}`, { headers: { "If-None-Match": '"x"' } });
    expect(await textOf(other)).toBe(HELLO);
  });

  test("If-Range cuts only the content that it names", async () => {
    const digest = await pushBlob("a", HELLO);
    const headers = { Range: "bytes=1-1", "If-Range": `"${digest}"` };
    expect((await request("GET", `/v2/a/blobs/${digest}`, { headers })).status).toBe(206);
    const stale = { Range: "bytes=1-1", "If-Range": '"other"' };
    expect((await request("GET", `/v2/a/blobs/${digest}`, { headers: stale })).status).toBe(200);
  });
});

describe("end-3: GET, HEAD manifest", () => {
  test("the exact bytes as pushed, by tag and by digest, whatever Accept says", async () => {
    await pushBlob("a", "config");
    const text = `{ "schemaVersion":2,\n "note":"ä€𝄞\\u0000",  "layers":[], "config":{"mediaType":"${CONFIG}",
      "digest":"${sha256("config")}","size":6},"mediaType":"application/vnd.oci.image.manifest.v1+json"}\n`;
    const type = "application/vnd.oci.image.manifest.v1+json";
    await putManifest("a", "latest", text, { "Content-Type": `${type}; charset=utf-8` });
    for (const reference of ["latest", sha256(text)]) {
      for (const method of ["GET", "HEAD"]) {
        const headers = { Accept: "text/html", "Accept-Encoding": "gzip" };
        const response = await request(method, `/v2/a/manifests/${reference}`, { headers });
        expect(response.status).toBe(200);
        expect(response.headers.get("Content-Type")).toBe(type);
        expect(response.headers.get("Docker-Content-Digest")).toBe(sha256(text));
        expect(response.headers.get("Content-Length")).toBe(
          String(new TextEncoder().encode(text).byteLength),
        );
        expect(await textOf(response)).toBe(method === "GET" ? text : "");
      }
    }
  });

  test("404 for an unknown tag, digest and repository, and for what cannot be a tag", async () => {
    await pushImage("a", "latest", "config", []);
    for (const path of [
      "/v2/a/manifests/v2",
      `/v2/a/manifests/${ABSENT}`,
      "/v2/b/manifests/latest",
      "/v2/a/manifests/.latest",
      `/v2/a/manifests/${"x".repeat(129)}`,
      `/v2/a/manifests/${sha512("config")}`,
    ]) {
      for (const method of ["HEAD", "GET", "DELETE"]) expect((await request(method, path)).status).toBe(404);
      expect(await codesOf(await request("GET", path))).toEqual(["MANIFEST_UNKNOWN"]);
    }
  });

  test("a malformed digest is 400, never a tag", async () => {
    for (const reference of ["sha256:nonsense", "sha256:", ":x", "md5:abcd", `sha256:${"A".repeat(64)}`]) {
      for (const method of ["GET", "HEAD", "DELETE"]) {
        expect((await request(method, `/v2/a/manifests/${reference}`)).status).toBe(400);
      }
      expect(await codesOf(await request("GET", `/v2/a/manifests/${reference}`))).toEqual(["DIGEST_INVALID"]);
    }
  });

  test("If-None-Match is 304 until the tag moves", async () => {
    const digest = await pushImage("a", "latest", "config", []);
    const headers = { "If-None-Match": `"${digest}"` };
    for (const method of ["GET", "HEAD"]) {
      expect((await request(method, "/v2/a/manifests/latest", { headers })).status).toBe(304);
    }
    await pushImage("a", "latest", "config", ["layer"]);
    expect((await request("GET", "/v2/a/manifests/latest", { headers })).status).toBe(200);
  });
});
