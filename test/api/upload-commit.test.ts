/** Uploads whose commit was interrupted, and what becomes of the PUT that is repeated. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { bucket } from "../support/bucket.ts";
import { breakAll, healAll } from "../support/faults.ts";
import {
  bytesOf,
  close,
  noise,
  patch,
  pullBlob,
  pushBlob,
  request,
  sha256,
  startUpload,
  streamOf,
} from "../support/registry.ts";

const PART = 8 * 1024 * 1024;

type Content = Uint8Array<ArrayBuffer> | string;

/**
 * Closes a session with a commit that fails before it was made, or after, with its answer lost.
 * @returns its location
 */
async function closeUnheard(when: "before" | "after", content: Content = "hello"): Promise<string> {
  const location = await startUpload("a");
  await patch(location, content);
  breakAll("DB.batch", when);
  expect((await close(location, sha256(content))).status).toBe(503);
  healAll();
  return location;
}

/** The same, and then its object goes. */
async function lose(when: "before" | "after", content: Content = "hello"): Promise<string> {
  const location = await closeUnheard(when, content);
  await bucket.delete(await bucket.keys());
  return location;
}

describe("a commit that was not made, and whose object has gone", () => {
  test("is not to be made any more where that was of parts", async () => {
    const content = noise(PART + 5);
    const location = await lose("before", content);
    expect((await close(location, sha256(content))).status).toBe(404);
    expect(await pullBlob("a", sha256(content))).toBe("status 404");
  });

  test.each(["hello", ""])(
    "is made with another one where the bytes are still there: %j",
    async (content) => {
      const location = await lose("before", content);
      expect((await close(location, sha256(content))).status).toBe(201);
      expect(await pullBlob("a", sha256(content))).toBe(content);
      expect(await bucket.keys()).toHaveLength(1);
    },
  );
});

describe("a commit with its answer lost, and then its object", () => {
  test("is repeated with another object, where a pull has found the first missing", async () => {
    const location = await lose("after");
    expect(await pullBlob("a", sha256("hello"))).toBe("status 404");
    expect((await close(location, sha256("hello"))).status).toBe(201);
    expect(await pullBlob("a", sha256("hello"))).toBe("hello");
  });

  test("is true still, where another push has brought the blob", async () => {
    const location = await lose("after");
    await pushBlob("a", "hello");
    expect((await close(location, sha256("hello"))).status).toBe(201);
    expect(await pullBlob("a", sha256("hello"))).toBe("hello");
    expect(await bucket.keys()).toHaveLength(1);
  });

  test("is no answer to a PUT of another digest", async () => {
    const location = await lose("after");
    expect((await close(location, sha256("other"))).status).toBe(400);
    expect((await close(location, sha256("hello"))).status).toBe(201);
  });
});

test("a commit with its answer lost is not true any more when its row says that the object is missing", async () => {
  const location = await closeUnheard("after");
  // As a scrub does that has put the bytes aside.
  await env.DB.prepare("UPDATE blobs SET missing_at = 1").run();
  expect((await close(location, sha256("hello"))).status).toBe(404);
  await pushBlob("a", "hello");
  expect(await pullBlob("a", sha256("hello"))).toBe("hello");
});

test("a commit with its answer lost that was replaced and doomed is true where its digest is there", async () => {
  const location = await closeUnheard("after");
  await env.DB.batch([
    env.DB.prepare(
      "INSERT INTO doomed_objects (object_key, bytes, doomed_at) SELECT object_key, 5, 1 FROM blobs",
    ),
    env.DB.prepare("UPDATE blobs SET object_key = 'blobs/of-another-push'"),
  ]);
  expect((await close(location, sha256("hello"))).status).toBe(201);
});

test("a PATCH that fails before it keeps a byte says nonetheless that the client sends chunks", async () => {
  const location = await startUpload("a");
  expect((await close(location, sha256("hello"), { body: streamOf([bytesOf("hel")]) })).status).toBe(400);
  breakAll("BUCKET.createMultipartUpload", "before");
  expect((await patch(location, noise(PART + 1))).status).toBe(503);
  healAll();
  expect((await request("GET", location)).headers.get("Range")).toBe("0-2");
  expect((await close(location, sha256("hello"), { body: "lo" })).status).toBe(201);
});
