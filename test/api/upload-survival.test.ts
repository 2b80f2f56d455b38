/** Uploads under aborts, odd sizes, evictions, crashes and company. */

import {
  abortAllDurableObjects,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, inject, test } from "vitest";
import type { RepositoryName } from "../../src/oci/reference.ts";
import type { Chunk } from "../../src/storage/upload/protocol.ts";
import type { UploadSession } from "../../src/storage/upload/session.ts";
import { bucket } from "../support/bucket.ts";
import { closing } from "../support/closing.ts";
import { breakAll, breakNext, healAll } from "../support/faults.ts";
import {
  bytesOf,
  close,
  codesOf,
  noise,
  patch,
  pullBlob,
  request,
  sha256,
  sha512,
  startUpload,
  streamOf,
} from "../support/registry.ts";
import { databaseName } from "../support/settings.ts";
import { stubOf } from "../support/upload-session.ts";

const A = "a" as RepositoryName;
const MIB = 1024 * 1024;
const PART = 8 * MIB;

/**
 * A body that breaks off behind its pieces. It is handed to the Durable Object directly: on the way through an
 * in-process fetch the break would arrive as an ordinary end. Real connections are cut in test/e2e.
 */
function broken(pieces: Uint8Array[], length: number | null = null, range: Chunk["range"] = null): Chunk {
  return { body: streamOf(pieces, "breaks"), length, range };
}

/**
 * A call inside the Durable Object, with a body that breaks off when the last of its bytes has been read: on the way
 * there, the break may overtake bytes, and what arrived would not be known.
 */
function cut<T>(
  location: string,
  arrived: Uint8Array,
  call: (session: UploadSession, chunk: Chunk) => Promise<T>,
): Promise<T> {
  const pieces = [Uint8Array.from(arrived)];
  const body = new ReadableStream({
    type: "bytes",
    pull(controller) {
      const piece = pieces.pop();
      if (piece === undefined) controller.error(new Error("the client hung up"));
      else if (piece.byteLength > 0) controller.enqueue(piece);
      else return this.pull?.(controller);
    },
  });
  return runInDurableObject(stubOf(location), (session: UploadSession) =>
    call(session, { body, length: null, range: null }),
  );
}

async function offsetOf(location: string): Promise<number> {
  const response = await request("GET", location);
  if (response.status !== 204) throw new Error(`status answered ${response.status}`);
  const last = Number(response.headers.get("Range")?.split("-")[1]);
  return last === 0 ? 0 : last + 1;
}

async function expectStored(name: string, content: Uint8Array): Promise<void> {
  const response = await request("GET", `/v2/${name}/blobs/${sha256(content)}`);
  expect(response.status).toBe(200);
  expect(response.headers.get("Content-Length")).toBe(String(content.byteLength));
  expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(content));
}

async function objectKeys(): Promise<string[]> {
  return bucket.keys();
}

describe("chunks of any size in any mix", () => {
  const mixes: [string, number[]][] = [
    ["1 byte each", Array(20).fill(1)],
    ["1 MiB each", Array(19).fill(MIB)],
    ["5 MiB + 1", Array(4).fill(5 * MIB + 1)],
    ["6, 7, 6 MiB", [6 * MIB, 7 * MIB, 6 * MIB]],
    ["exactly a part", [PART, PART]],
    ["a byte around a part", [PART - 1, 1, 1, PART - 1, PART + 1]],
    ["a byte, then 100 MiB, then a byte", [1, 100 * MIB, 1]],
  ];
  for (const [title, sizes] of mixes) {
    for (const lastInPut of [false, true]) {
      test(`${title}, ${lastInPut ? "the last one in the closing PUT" : "then an empty PUT"}`, async () => {
        const content = noise(sizes.reduce((sum, size) => sum + size));
        const location = await startUpload("a");
        let offset = 0;
        for (const [index, size] of sizes.entries()) {
          const chunk = content.slice(offset, offset + size);
          offset += size;
          // Known and unknown length by turns.
          const body =
            index % 2 === 0 ? chunk : streamOf([chunk.subarray(0, size >> 1), chunk.subarray(size >> 1)]);
          if (lastInPut && index === sizes.length - 1) {
            expect((await close(location, sha256(content), { body })).status).toBe(201);
          } else {
            const response = await patch(location, body);
            expect([response.status, response.headers.get("Range")]).toEqual([202, `0-${offset - 1}`]);
          }
        }
        if (!lastInPut) expect((await close(location, sha256(content))).status).toBe(201);
        await expectStored("a", content);
        expect(await objectKeys()).toHaveLength(1);
      });
    }
  }
});

describe("a client that disconnects", () => {
  for (const arrived of [0, 1, 4095, 4096, 65_537, MIB + 1, PART - 1, PART, PART + 1, 2 * PART + 12_345]) {
    test(`after ${arrived} bytes: status tells what is kept, and the upload goes on from there`, async () => {
      const content = noise(arrived + 3 * MIB);
      const location = await startUpload("a");
      const kept = content.subarray(0, arrived);
      const outcome = await cut(location, kept, (session, chunk) => session.append(A, chunk));
      expect(outcome).toEqual({ kind: "interrupted", offset: arrived });
      const offset = await offsetOf(location);
      // A single byte cannot be told from none, see `progress`.
      expect(offset).toBe(arrived === 1 ? 0 : arrived);
      const range = `${arrived}-${content.byteLength - 1}`;
      const resumed = await patch(location, content.subarray(arrived), { "Content-Range": range });
      expect(resumed.status).toBe(202);
      expect((await close(location, sha256(content))).status).toBe(201);
      await expectStored("a", content);
    });
  }

  test("a body of known length that ends early is no complete chunk", async () => {
    const location = await startUpload("a");
    const short: Chunk = { body: streamOf([bytesOf("hel")]), length: 5, range: null };
    expect(await stubOf(location).append(A, short)).toEqual({ kind: "interrupted", offset: 3 });
    expect((await patch(location, "lo", { "Content-Range": "3-4" })).status).toBe(202);
    expect((await close(location, sha256("hello"))).status).toBe(201);
  });

  test("during the closing PUT: the next PUT with Content-Range goes on", async () => {
    const content = noise(3 * MIB);
    const location = await startUpload("a");
    await patch(location, content.subarray(0, MIB));
    const outcome = await cut(location, content.subarray(MIB, 2 * MIB), (session, chunk) =>
      session.close(A, closing(content, chunk)),
    );
    expect(outcome.kind).toBe("interrupted");
    const offset = await offsetOf(location);
    expect(offset).toBe(2 * MIB);
    const headers = { "Content-Range": `${offset}-${content.byteLength - 1}` };
    expect((await close(location, sha256(content), { body: content.subarray(offset), headers })).status).toBe(
      201,
    );
    await expectStored("a", content);
  });

  test("while a whole body is PUT: the PUT repeated from byte 0 succeeds, with known and unknown length", async () => {
    const content = noise(PART + MIB);
    for (const length of [content.byteLength, null]) {
      const location = await startUpload("a");
      const first = broken([content.subarray(0, PART + 5)], length);
      expect((await stubOf(location).close(A, closing(content, first))).kind).toBe("interrupted");
      const again = length === null ? streamOf([content]) : content;
      expect((await close(location, sha256(content), { body: again })).status).toBe(201);
      await expectStored("a", content);
      expect(await objectKeys()).toHaveLength(1);
    }
  });
});

describe("invariant 4, what was acknowledged is durable: an evicted Durable Object", () => {
  for (const size of [3 * MIB, PART + 3 * MIB, 2 * PART]) {
    test(`between two chunks of ${size} bytes, and before the closing PUT`, async () => {
      const content = noise(size);
      const location = await startUpload("a");
      await patch(location, content.subarray(0, size >> 1));
      await evictDurableObject(stubOf(location));
      await patch(location, content.subarray(size >> 1));
      await evictDurableObject(stubOf(location));
      expect((await close(location, sha256(content))).status).toBe(201);
      await expectStored("a", content);
    });

    test(`a wrong digest is still found out at ${size} bytes, and nothing stays behind`, async () => {
      const content = noise(size);
      const location = await startUpload("a");
      await patch(location, content.subarray(0, size >> 1));
      await evictDurableObject(stubOf(location));
      await patch(location, content.subarray(size >> 1));
      const response = await close(location, sha256("something else"));
      expect([response.status, await codesOf(response)]).toEqual([400, ["DIGEST_INVALID"]]);
      expect(await objectKeys()).toEqual([]);
    });
  }

  test("a multipart upload closes with a digest in another algorithm than it was hashed in", async () => {
    const content = noise(PART + 1);
    const location = await startUpload("a");
    await patch(location, content);
    expect((await close(location, sha512(content))).status).toBe(201);
    expect((await request("HEAD", `/v2/a/blobs/${sha512(content)}`)).status).toBe(200);
  });
});

describe("crashes", () => {
  const content = noise(PART + MIB);
  const small = noise(MIB);

  /** Each call that closing makes, failing before and after it. */
  const steps: [string, Uint8Array<ArrayBuffer>, string[]][] = [
    ["a multipart upload", content, ["BUCKET.uploadPart", "BUCKET.complete", "DB.batch"]],
    ["a small upload", small, ["BUCKET.put", "DB.batch"]],
  ];
  for (const [title, bytes, calls] of steps) {
    for (const call of calls) {
      for (const when of ["before", "after"] as const) {
        test(`${title} whose ${call} fails ${when} it was made is finished by a repeated PUT`, async () => {
          const location = await startUpload("a");
          await patch(location, bytes);
          breakAll(call, when);
          // R2 is asked whether a completion went through whose answer was lost; others say so when it is repeated.
          const found = call === "BUCKET.complete" && when === "after" && (inject("store") ?? "r2") === "r2";
          expect((await close(location, sha256(bytes))).status).toBe(found ? 201 : 503);
          healAll();
          await abortAllDurableObjects();
          expect((await close(location, sha256(bytes))).status).toBe(201);
          await expectStored("a", bytes);
          expect(await objectKeys()).toHaveLength(1);
        });
      }
    }
  }

  for (const call of ["BUCKET.put", "DB.batch"]) {
    for (const when of ["before", "after"] as const) {
      test(`a whole-body PUT whose ${call} fails ${when} it was made succeeds when repeated`, async () => {
        const location = await startUpload("a");
        breakAll(call, when);
        expect((await close(location, sha256(small), { body: small })).status).toBe(503);
        healAll();
        await abortAllDurableObjects();
        expect((await close(location, sha256(small), { body: small })).status).toBe(201);
        await expectStored("a", small);
        expect(await objectKeys()).toHaveLength(1);
      });
    }
  }

  test("a part that R2 refuses twice is sent a third time", async () => {
    const location = await startUpload("a");
    breakNext("BUCKET.uploadPart", "before", "after");
    expect((await patch(location, content)).status).toBe(202);
    expect((await close(location, sha256(content))).status).toBe(201);
    await expectStored("a", content);
  });

  test("a part that R2 keeps refusing fails the request; the offset goes back to what is kept", async () => {
    const location = await startUpload("a");
    await patch(location, content.subarray(0, MIB));
    breakAll("BUCKET.uploadPart", "before");
    expect((await patch(location, content.subarray(MIB))).status).toBe(503);
    expect(await offsetOf(location)).toBe(MIB);
    expect((await patch(location, content.subarray(MIB))).status).toBe(202);
    expect((await close(location, sha256(content))).status).toBe(201);
    await expectStored("a", content);
  });

  test("between storing and committing, no row points to a missing object", async () => {
    const location = await startUpload("a");
    await patch(location, small);
    breakAll("BUCKET.put", "before");
    await close(location, sha256(small));
    expect((await env.DB.prepare("SELECT count(*) AS n FROM blobs").first<{ n: number }>())?.n).toBe(0);
    expect((await request("GET", `/v2/a/blobs/${sha256(small)}`)).status).toBe(404);
  });

  test("a commit with its answer lost is not undone by cancelling the session", async () => {
    const location = await startUpload("a");
    await patch(location, small);
    breakAll("DB.batch", "after");
    expect((await close(location, sha256(small))).status).toBe(503);
    expect((await request("DELETE", location)).status).toBe(204);
    await expectStored("a", small);
    expect((await env.DB.prepare("SELECT count(*) AS n FROM doomed_objects").first<{ n: number }>())?.n).toBe(
      0,
    );
  });

  test("an object whose commit never happened is doomed by cancelling, and can then never become a blob", async () => {
    const location = await startUpload("a");
    await patch(location, small);
    breakAll("DB.batch", "before");
    expect((await close(location, sha256(small))).status).toBe(503);
    await request("DELETE", location);
    const doomed = await env.DB.prepare("SELECT object_key FROM doomed_objects").all<{
      object_key: string;
    }>();
    expect(doomed.results.map(({ object_key }) => object_key)).toEqual(await objectKeys());
    expect((await close(location, sha256(small))).status).toBe(404);
  });
});

describe("company", () => {
  test("two uploads of the same digest at once: both answer 201, one object stays", async () => {
    const content = noise(PART + MIB);
    const locations = await Promise.all([startUpload("a"), startUpload("b"), startUpload("a")]);
    await Promise.all(locations.map((location) => patch(location, content)));
    const responses = await Promise.all(locations.map((location) => close(location, sha256(content))));
    expect(responses.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(await objectKeys()).toHaveLength(1);
    await expectStored("a", content);
    await expectStored("b", content);
  });

  test("the same closing PUT twice, at once and after success, empty and with the body", async () => {
    const content = noise(MIB);
    const empty = await startUpload("a");
    await patch(empty, content);
    const both = await Promise.all([close(empty, sha256(content)), close(empty, sha256(content))]);
    expect(both.map(({ status }) => status)).toEqual([201, 201]);
    expect((await close(empty, sha256(content))).status).toBe(201);
    const whole = await startUpload("a");
    for (let time = 0; time < 3; time++) {
      expect((await close(whole, sha256(content), { body: content })).status).toBe(201);
    }
    expect((await close(whole, sha256("other"), { body: "other" })).status).toBe(404);
    expect(await objectKeys()).toHaveLength(1);
  });

  test("a closed session answers 404 once the blob is gone again", async () => {
    const location = await startUpload("a");
    await patch(location, "hello");
    await close(location, sha256("hello"));
    await request("DELETE", `/v2/a/blobs/${sha256("hello")}`);
    expect((await close(location, sha256("hello"))).status).toBe(404);
  });

  test("two PATCHes at once on one session: the second waits, and is in order or 416", async () => {
    const location = await startUpload("a");
    const chunk = noise(MIB);
    const headers = { "Content-Range": `0-${MIB - 1}` };
    const both = await Promise.all([patch(location, chunk, headers), patch(location, chunk, headers)]);
    expect(both.map(({ status }) => status).sort()).toEqual([202, 416]);
    expect(await offsetOf(location)).toBe(MIB);
    expect((await close(location, sha256(chunk))).status).toBe(201);
  });

  test("a body that falls silent gives way to a request that waits", async () => {
    const id = crypto.randomUUID();
    const stub = env.UPLOADS.get(env.UPLOADS.idFromName(id));
    const hour = 3_600_000;
    await stub.start({
      repository: A,
      database: databaseName(),
      counted: null,
      algorithm: "sha256",
      expiresAfter: hour,
      stallTimeout: 50,
    });
    const location = `/v2/a/blobs/uploads/${id}`;
    let hangUp = () => {};
    const silent = new ReadableStream({
      start(controller) {
        controller.enqueue(bytesOf("hel"));
        hangUp = () => controller.error(new Error("gone"));
      },
    });
    const vanished = patch(location, silent).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await offsetOf(location)).toBe(3);
    hangUp();
    await vanished;
    expect((await patch(location, "lo", { "Content-Range": "3-4" })).status).toBe(202);
    expect((await close(location, sha256("hello"))).status).toBe(201);
    expect(await pullBlob("a", sha256("hello"))).toBe("hello");
  });
});

describe("expiry", () => {
  async function start(expiresAfter: number): Promise<string> {
    const id = crypto.randomUUID();
    const stub = env.UPLOADS.get(env.UPLOADS.idFromName(id));
    await stub.start({
      repository: A,
      database: databaseName(),
      counted: null,
      algorithm: "sha256",
      expiresAfter,
      stallTimeout: 1000,
    });
    return `/v2/a/blobs/uploads/${id}`;
  }

  test("an idle session is dropped by its alarm, with its multipart upload", async () => {
    const location = await start(1);
    await patch(location, noise(PART + 1));
    // It may have gone off by itself already.
    await runDurableObjectAlarm(stubOf(location));
    expect((await request("GET", location)).status).toBe(404);
    expect(await objectKeys()).toEqual([]);
  });

  test("a session in use outlives an early alarm", async () => {
    const location = await start(3_600_000);
    await patch(location, "hello");
    expect(await runDurableObjectAlarm(stubOf(location))).toBe(true);
    expect(await offsetOf(location)).toBe(5);
  });

  test("asking for an unknown session stores nothing", async () => {
    const location = `/v2/a/blobs/uploads/${crypto.randomUUID()}`;
    await request("GET", location);
    await patch(location, "hello");
    expect(await runDurableObjectAlarm(stubOf(location))).toBe(false);
  });
});
