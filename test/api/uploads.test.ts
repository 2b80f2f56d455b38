import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import {
  bytesOf,
  close,
  codesOf,
  locationOf,
  patch,
  pullBlob,
  pushBlob,
  request,
  sha256,
  sha512,
  startUpload,
  streamOf,
} from "../support/registry.ts";

const HELLO = "hello";
const ABSENT = `sha256:${"0".repeat(64)}`;

describe("end-4a: POST starts a session", () => {
  test("202 with a path-absolute Location, the session's UUID, an empty Range and the chunk limits", async () => {
    const response = await request("POST", "/v2/a/b/blobs/uploads/");
    expect(response.status).toBe(202);
    const id = response.headers.get("Docker-Upload-UUID");
    expect(response.headers.get("Location")).toBe(`/v2/a/b/blobs/uploads/${id}`);
    expect(response.headers.get("Range")).toBe("0-0");
    expect(response.headers.get("OCI-Chunk-Min-Length")).toBe("1");
    expect(response.headers.get("OCI-Chunk-Max-Length")).toBe("95000000");
    expect(response.headers.get("Docker-Distribution-Api-Version")).toBe("registry/2.0");
  });

  test("works without the trailing slash", async () => {
    expect((await request("POST", "/v2/a/blobs/uploads")).status).toBe(202);
  });

  test("a repository may be named like a part of the API", async () => {
    const digest = await pushBlob("blobs/uploads/manifests", HELLO);
    expect(await pullBlob("blobs/uploads/manifests", digest)).toBe(HELLO);
  });
});

describe("end-4b: POST ?digest= takes the whole blob", () => {
  test("201 with the blob's Location and digest", async () => {
    const digest = sha256(HELLO);
    const response = await request("POST", `/v2/a/blobs/uploads/?digest=${digest}`, { body: HELLO });
    expect(response.status).toBe(201);
    expect(locationOf(response)).toBe(`/v2/a/blobs/${digest}`);
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    expect(await pullBlob("a", digest)).toBe(HELLO);
  });

  test("a body of unknown length", async () => {
    const body = streamOf([bytesOf("hel"), bytesOf("lo")]);
    const response = await request("POST", `/v2/a/blobs/uploads/?digest=${sha256(HELLO)}`, { body });
    expect(response.status).toBe(201);
    expect(await pullBlob("a", sha256(HELLO))).toBe(HELLO);
  });

  test("an empty blob", async () => {
    expect((await request("POST", `/v2/a/blobs/uploads/?digest=${sha256("")}`)).status).toBe(201);
    expect(await pullBlob("a", sha256(""))).toBe("");
  });

  test("a wrong digest is 400 and leaves nothing, with known and unknown length", async () => {
    for (const body of [HELLO, streamOf([bytesOf(HELLO)])]) {
      const response = await request("POST", `/v2/a/blobs/uploads/?digest=${ABSENT}`, { body });
      expect(response.status).toBe(400);
      expect(await codesOf(response)).toEqual(["DIGEST_INVALID"]);
    }
    expect(await pullBlob("a", ABSENT)).toBe("status 404");
  });

  test("sha512", async () => {
    const digest = sha512(HELLO);
    expect((await request("POST", `/v2/a/blobs/uploads/?digest=${digest}`, { body: HELLO })).status).toBe(
      201,
    );
    expect(await pullBlob("a", digest)).toBe(HELLO);
    expect(await pullBlob("a", sha256(HELLO))).toBe("status 404");
  });
});

describe("end-4c: POST ?digest-algorithm= chooses the session's hash", () => {
  test("a sha512 session closes with a sha512 digest, or with a sha256 one", async () => {
    for (const digest of [sha512(HELLO), sha256(HELLO)]) {
      const location = await startUpload("a", "?digest-algorithm=sha512");
      await patch(location, HELLO);
      expect((await close(location, digest)).status).toBe(201);
      expect(await pullBlob("a", digest)).toBe(HELLO);
    }
  });

  test("an unsupported algorithm is 400", async () => {
    const response = await request("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5");
    expect(response.status).toBe(400);
    expect(await codesOf(response)).toEqual(["DIGEST_INVALID"]);
  });
});

describe("end-11: mount", () => {
  test("201 from a repository that holds the blob", async () => {
    const digest = await pushBlob("source", HELLO);
    const response = await request("POST", `/v2/target/blobs/uploads/?mount=${digest}&from=source`);
    expect(response.status).toBe(201);
    expect(locationOf(response)).toBe(`/v2/target/blobs/${digest}`);
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    expect(await pullBlob("target", digest)).toBe(HELLO);
  });

  test("without from, from any repository that holds it", async () => {
    const digest = await pushBlob("source", HELLO);
    expect((await request("POST", `/v2/target/blobs/uploads/?mount=${digest}`)).status).toBe(201);
    expect(await pullBlob("target", digest)).toBe(HELLO);
  });

  test("202 with a usable session when from does not hold it, or nobody does", async () => {
    await pushBlob("source", HELLO);
    for (const query of [`?mount=${sha256(HELLO)}&from=elsewhere`, `?mount=${ABSENT}`]) {
      const location = await startUpload("target", query);
      // One that is empty would be listed to nobody, and collected: it is not made at all.
      const made = env.DB.prepare("SELECT name FROM repositories WHERE name = 'target'");
      if (query.includes("elsewhere")) expect(await made.first()).toBeNull();
      expect((await close(location, sha256("else"), { body: "else" })).status).toBe(201);
    }
    expect(await pullBlob("target", sha256(HELLO))).toBe("status 404");
  });

  test("brings the blob that was named, and nothing else that is at its source", async () => {
    const digest = await pushBlob("source", HELLO);
    const other = await pushBlob("source", "other");
    for (const query of [`?mount=${digest}&from=source`, `?mount=${digest}`]) {
      const target = query.includes("from") ? "target" : "anywhere";
      expect((await request("POST", `/v2/${target}/blobs/uploads/${query}`)).status).toBe(201);
      expect([await pullBlob(target, digest), await pullBlob(target, other)]).toEqual([HELLO, "status 404"]);
    }
  });

  test("of a blob whose object was found to be missing is no mount, and makes no repository", async () => {
    const digest = await pushBlob("source", HELLO);
    await pushBlob("there", "other");
    await env.DB.prepare("UPDATE blobs SET missing_at = 1 WHERE digest = ?1").bind(digest).run();
    for (const query of [`?mount=${digest}&from=source`, `?mount=${digest}`]) {
      expect((await request("POST", `/v2/target/blobs/uploads/${query}`)).status).toBe(202);
      expect((await request("POST", `/v2/there/blobs/uploads/${query}`)).status).toBe(202);
      const made = env.DB.prepare("SELECT name FROM repositories WHERE name = 'target'");
      expect(await made.first()).toBeNull();
    }
  });

  test("outlives the deletion of the blob at its source", async () => {
    const digest = await pushBlob("source", HELLO);
    await request("POST", `/v2/target/blobs/uploads/?mount=${digest}&from=source`);
    expect((await request("DELETE", `/v2/source/blobs/${digest}`)).status).toBe(202);
    expect(await pullBlob("target", digest)).toBe(HELLO);
  });

  test("can be repeated", async () => {
    const digest = await pushBlob("source", HELLO);
    for (let time = 0; time < 2; time++) {
      expect((await request("POST", `/v2/target/blobs/uploads/?mount=${digest}&from=source`)).status).toBe(
        201,
      );
    }
  });

  test("a malformed digest or source is 400", async () => {
    const digest = await request("POST", "/v2/a/blobs/uploads/?mount=sha256:xyz&from=b");
    expect([digest.status, await codesOf(digest)]).toEqual([400, ["DIGEST_INVALID"]]);
    const from = await request("POST", `/v2/a/blobs/uploads/?mount=${ABSENT}&from=B`);
    expect([from.status, await codesOf(from)]).toEqual([400, ["NAME_INVALID"]]);
  });
});

describe("end-5: PATCH adds a chunk", () => {
  test("with Content-Range, without, and without Content-Length", async () => {
    const location = await startUpload("a");
    const first = await patch(location, "hel", { "Content-Range": "0-2" });
    expect(first.status).toBe(202);
    expect(first.headers.get("Range")).toBe("0-2");
    expect(locationOf(first)).toBe(location);
    const second = await patch(location, streamOf([bytesOf("l")]));
    expect(second.headers.get("Range")).toBe("0-3");
    const third = await patch(location, "o", { "Content-Range": "bytes 4-4/*" });
    expect(third.headers.get("Range")).toBe("0-4");
    expect((await close(location, sha256(HELLO))).status).toBe(201);
    expect(await pullBlob("a", sha256(HELLO))).toBe(HELLO);
  });

  test("an empty chunk changes nothing", async () => {
    const location = await startUpload("a");
    expect((await patch(location, null)).headers.get("Range")).toBe("0-0");
    await patch(location, HELLO);
    expect((await patch(location, null)).headers.get("Range")).toBe("0-4");
    expect((await close(location, sha256(HELLO))).status).toBe(201);
  });

  test("out of order is 416 with Location and Range, and the session lives on", async () => {
    const location = await startUpload("a");
    await patch(location, "he");
    for (const range of ["0-2", "1-3", "3-5", "100-102"]) {
      const response = await patch(location, "xyz", { "Content-Range": range });
      expect(response.status).toBe(416);
      expect(locationOf(response)).toBe(location);
      expect(response.headers.get("Range")).toBe("0-1");
      expect(await codesOf(response)).toEqual(["BLOB_UPLOAD_INVALID"]);
    }
    expect((await patch(location, "llo", { "Content-Range": "2-4" })).status).toBe(202);
    expect((await close(location, sha256(HELLO))).status).toBe(201);
  });

  test("a Content-Range that contradicts the length is 400: at once, or behind what the two agree on", async () => {
    const location = await startUpload("a");
    const known = await patch(location, "hello", { "Content-Range": "0-2" });
    expect([known.status, await codesOf(known)]).toEqual([400, ["SIZE_INVALID"]]);
    expect((await request("GET", location)).headers.get("Range")).toBe("0-0");

    const longer = await patch(location, streamOf([bytesOf("hello")]), { "Content-Range": "0-2" });
    expect([longer.status, longer.headers.get("Range")]).toEqual([400, "0-2"]);
    const shorter = await patch(location, streamOf([bytesOf("l")]), { "Content-Range": "3-9" });
    expect([shorter.status, shorter.headers.get("Range")]).toEqual([400, "0-3"]);
    await patch(location, "o", { "Content-Range": "4-4" });
    expect((await close(location, sha256(HELLO))).status).toBe(201);
  });

  test("a malformed Content-Range is 400", async () => {
    const location = await startUpload("a");
    for (const range of ["x", "5", "5-", "-5", "2-1", "0-4,6-7", "0x0-4"]) {
      const response = await patch(location, HELLO, { "Content-Range": range });
      expect([range, response.status, await codesOf(response)]).toEqual([
        range,
        400,
        ["BLOB_UPLOAD_INVALID"],
      ]);
    }
  });
});

describe("end-6: PUT closes the session", () => {
  test("empty, with the last chunk, and with the whole blob", async () => {
    for (const [patched, put] of [
      [HELLO, undefined],
      ["hel", "lo"],
      ["", HELLO],
    ] as const) {
      const location = await startUpload("a");
      if (patched) await patch(location, patched);
      const response = await close(location, sha256(HELLO), put === undefined ? {} : { body: put });
      expect(response.status).toBe(201);
      expect(locationOf(response)).toBe(`/v2/a/blobs/${sha256(HELLO)}`);
      expect(response.headers.get("Docker-Content-Digest")).toBe(sha256(HELLO));
      expect(await pullBlob("a", sha256(HELLO))).toBe(HELLO);
      expect((await request("GET", location)).status).toBe(404);
    }
  });

  test("the last chunk with Content-Range, in order or 416", async () => {
    const location = await startUpload("a");
    await patch(location, "hel");
    const headers = { "Content-Range": "1-2" };
    const refused = await close(location, sha256(HELLO), { body: "lo", headers });
    expect([refused.status, locationOf(refused), refused.headers.get("Range")]).toEqual([
      416,
      location,
      "0-2",
    ]);
    const accepted = await close(location, sha256(HELLO), {
      body: "lo",
      headers: { "Content-Range": "3-4" },
    });
    expect(accepted.status).toBe(201);
  });

  test("an empty blob through every path", async () => {
    const digest = sha256("");
    const putOnly = await startUpload("a");
    expect((await close(putOnly, digest)).status).toBe(201);
    const emptyBody = await startUpload("b");
    expect((await close(emptyBody, digest, { body: "" })).status).toBe(201);
    const patched = await startUpload("c");
    await patch(patched, "");
    expect((await close(patched, digest)).status).toBe(201);
    const streamed = await startUpload("d");
    await patch(streamed, streamOf([]));
    expect((await close(streamed, digest, { body: streamOf([]) })).status).toBe(201);
    for (const name of ["a", "b", "c", "d"]) expect(await pullBlob(name, digest)).toBe("");
  });

  test("a wrong digest is 400, the bytes are gone and so is the session", async () => {
    for (const chunked of [true, false]) {
      const location = await startUpload("a");
      if (chunked) await patch(location, HELLO);
      const response = await close(location, ABSENT, chunked ? {} : { body: HELLO });
      expect([response.status, await codesOf(response)]).toEqual([400, ["DIGEST_INVALID"]]);
      expect((await request("GET", location)).status).toBe(404);
      expect(await pullBlob("a", ABSENT)).toBe("status 404");
    }
  });

  test("a missing or malformed digest is 400, and the session lives on", async () => {
    const location = await startUpload("a");
    await patch(location, HELLO);
    for (const query of [
      "",
      "?digest=",
      "?digest=sha256:abc",
      "?digest=md5:abc",
      `?digest=sha256:${"G".repeat(64)}`,
    ]) {
      const response = await request("PUT", `${location}${query}`);
      expect([query, response.status, await codesOf(response)]).toEqual([query, 400, ["DIGEST_INVALID"]]);
    }
    expect((await close(location, sha256(HELLO))).status).toBe(201);
  });
});

describe("end-13, end-14: status and cancel", () => {
  test("status tells the offset, also on a URL that carries a digest", async () => {
    const location = await startUpload("a");
    expect((await request("GET", location)).headers.get("Range")).toBe("0-0");
    await patch(location, HELLO);
    const response = await request("GET", `${location}?digest=${sha256(HELLO)}`);
    expect([response.status, response.headers.get("Range"), locationOf(response)]).toEqual([
      204,
      "0-4",
      location,
    ]);
    expect(response.headers.get("Docker-Upload-UUID")).toBe(location.split("/").at(-1));
  });

  test("cancel ends the session", async () => {
    const location = await startUpload("a");
    await patch(location, HELLO);
    expect((await request("DELETE", location)).status).toBe(204);
    for (const method of ["GET", "PATCH", "DELETE"]) {
      const response = await request(method, location);
      expect([method, response.status, await codesOf(response)]).toEqual([
        method,
        404,
        ["BLOB_UPLOAD_UNKNOWN"],
      ]);
    }
    expect((await close(location, sha256(HELLO))).status).toBe(404);
  });

  test("a session belongs to its repository", async () => {
    const location = (await startUpload("a")).replace("/a/", "/b/");
    for (const method of ["GET", "PATCH", "DELETE"])
      expect((await request(method, location)).status).toBe(404);
    expect((await close(location, sha256(""))).status).toBe(404);
  });

  test("an id that was never created is 404, well-formed or not", async () => {
    for (const id of ["x", crypto.randomUUID(), "0", "..%2f", "a".repeat(500)]) {
      for (const method of ["GET", "PATCH", "DELETE"]) {
        const response = await request(method, `/v2/a/blobs/uploads/${id}`);
        expect([id, response.status, await codesOf(response)]).toEqual([id, 404, ["BLOB_UPLOAD_UNKNOWN"]]);
      }
    }
  });
});
