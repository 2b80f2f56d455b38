/** What uploads leave behind: nothing, whatever fails while they end. */

import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, test, vi } from "vitest";
import type { RepositoryName } from "../../src/oci/reference.ts";
import type { Chunk } from "../../src/storage/upload/protocol.ts";
import { bucket } from "../support/bucket.ts";
import { closing } from "../support/closing.ts";
import { breakAll, breakNext, healAll } from "../support/faults.ts";
import { measure } from "../support/meter.ts";
import {
  bytesOf,
  close,
  codesOf,
  noise,
  patch,
  pullBlob,
  pushBlob,
  request,
  sha256,
  sha512,
  startUpload,
  streamOf,
} from "../support/registry.ts";
import { databaseName } from "../support/settings.ts";
import { stubOf } from "../support/upload-session.ts";

const A = "a" as RepositoryName;
const PART = 8 * 1024 * 1024;
const HOUR = 3_600_000;

/** A session with times of its own. Milliseconds. */
async function start(expiresAfter: number, stallTimeout = 1000): Promise<string> {
  const location = `/v2/a/blobs/uploads/${crypto.randomUUID()}`;
  await stubOf(location).start({
    repository: A,
    database: databaseName(),
    counted: null,
    algorithm: "sha256",
    expiresAfter,
    stallTimeout,
  });
  return location;
}

/** What the Durable Object holds. */
function kept(location: string): Promise<{ keys: string[]; alarm: number | null }> {
  return runInDurableObject(stubOf(location), async (_, { storage }) => ({
    keys: [...storage.kv.list()].map(([key]) => key),
    alarm: await storage.getAlarm(),
  }));
}

/** Lets time pass for a session. Milliseconds. */
async function age(location: string, by: number): Promise<void> {
  await runInDurableObject(stubOf(location), (_, { storage }) => {
    const state = storage.kv.get<{ usedAt: number }>("state");
    if (state !== undefined) storage.kv.put("state", { ...state, usedAt: state.usedAt - by });
  });
}

async function objectKeys(): Promise<string[]> {
  return bucket.keys();
}

const NOTHING = { keys: [], alarm: null };

describe("a session that ends leaves nothing in its Durable Object and in R2", () => {
  test("cancelled, in the middle of a multipart upload, which is aborted", async () => {
    const location = await startUpload("a");
    await patch(location, noise(PART + 5));
    const costs = await measure(() => request("DELETE", location));
    expect(costs.r2.abort).toBe(1);
    expect(await kept(location)).toEqual(NOTHING);
    expect(await objectKeys()).toEqual([]);
  });

  test("expired, likewise", async () => {
    const location = await start(HOUR);
    await patch(location, noise(PART + 5));
    await age(location, HOUR);
    const costs = await measure(() => runDurableObjectAlarm(stubOf(location)));
    expect(costs.r2.abort).toBe(1);
    expect(await kept(location)).toEqual(NOTHING);
  });

  test("closed with a wrong digest", async () => {
    const location = await startUpload("a");
    await patch(location, noise(PART + 5));
    expect((await close(location, sha256("other"))).status).toBe(400);
    expect(await kept(location)).toEqual(NOTHING);
  });

  test("closed well: the state for an hour at least, for a repeated PUT, and no bytes", async () => {
    const location = await startUpload("a");
    await patch(location, noise(PART + 5));
    expect((await close(location, sha256(noise(PART + 5)))).status).toBe(201);
    expect((await kept(location)).keys).toEqual(["state"]);
    await age(location, HOUR - 60_000);
    await runDurableObjectAlarm(stubOf(location));
    const { keys, alarm } = await kept(location);
    expect(keys).toEqual(["state"]);
    expect(Math.abs((alarm ?? 0) - Date.now() - 60_000)).toBeLessThan(30_000);
    await age(location, 60_000);
    await runDurableObjectAlarm(stubOf(location));
    expect(await kept(location)).toEqual(NOTHING);
    expect(await objectKeys()).toHaveLength(1);
  });
});

test("a session whose alarm has been given up gets another one with its next use", async () => {
  const location = await start(HOUR);
  await runInDurableObject(stubOf(location), (_, { storage }) => storage.deleteAlarm());
  await patch(location, "hello");
  const { alarm } = await kept(location);
  expect(Math.abs((alarm ?? 0) - Date.now() - HOUR)).toBeLessThan(60_000);
});

describe("dropping a session whose bytes R2 does not let go of", () => {
  for (const call of ["BUCKET.delete"] as const) {
    for (const when of ["before", "after"] as const) {
      test(`${call} fails ${when} it was made: the client has its answer, and the next alarm does it again`, async () => {
        const location = await startUpload("a");
        await patch(location, noise(PART + 5));
        breakAll(call, when);
        const response = await close(location, sha256("other"));
        expect([response.status, await codesOf(response)]).toEqual([400, ["DIGEST_INVALID"]]);
        for (const method of ["GET", "PATCH", "DELETE"])
          expect((await request(method, location)).status).toBe(404);
        expect((await kept(location)).alarm).not.toBe(null);
        healAll();
        await runDurableObjectAlarm(stubOf(location));
        expect(await kept(location)).toEqual(NOTHING);
      });
    }
  }
});

describe("a store that refuses a body in the middle", () => {
  test("is answered 503, and the log says why; a client that hangs up is nothing to log", async () => {
    const lines: string[] = [];
    const warn = vi.spyOn(console, "warn").mockImplementation((line) => lines.push(String(line)));
    const location = await startUpload("a");
    breakNext("BUCKET.put", "before");
    expect((await close(location, sha256("hello"), { body: "hello" })).status).toBe(503);
    expect(lines).toEqual([expect.stringContaining("broken on purpose before BUCKET.put")]);
    const cut: Chunk = { body: streamOf([bytesOf("hel")], "breaks"), length: 5, range: null };
    expect((await stubOf(location).close(A, closing("hello", cut))).kind).toBe("interrupted");
    expect(lines).toHaveLength(1);
    expect((await close(location, sha256("hello"), { body: "hello" })).status).toBe(201);
    warn.mockRestore();
  });
});

describe("a duplicate whose object R2 does not delete", () => {
  for (const when of ["before", "after"] as const) {
    test(`${when}: it is a success all the same, and so is the PUT repeated`, async () => {
      const digest = await pushBlob("b", "hello");
      const location = await startUpload("a");
      await patch(location, "hello");
      breakAll("BUCKET.delete", when);
      expect((await close(location, digest)).status).toBe(201);
      healAll();
      expect((await close(location, digest)).status).toBe(201);
      expect(await pullBlob("a", digest)).toBe("hello");
    });
  }
});

describe("a request that takes longer than the session may lie idle", () => {
  test("is use of it", async () => {
    const location = await start(300);
    let end = () => {};
    const slow = new ReadableStream({
      start(controller) {
        controller.enqueue(bytesOf("hel"));
        end = () => controller.close();
      },
    });
    const sending = patch(location, slow);
    await new Promise((resolve) => setTimeout(resolve, 900));
    end();
    expect((await sending).status).toBe(202);
    expect((await patch(location, "lo", { "Content-Range": "3-4" })).status).toBe(202);
    expect((await close(location, sha256("hello"))).status).toBe(201);
  });

  test("a session in use is dropped no sooner than its time after the last use", async () => {
    const location = await start(HOUR);
    await age(location, HOUR - 1000);
    await patch(location, "hello");
    await runDurableObjectAlarm(stubOf(location));
    const { alarm } = await kept(location);
    expect(Math.abs((alarm ?? 0) - Date.now() - HOUR)).toBeLessThan(60_000);
    // To be asked how far it is counts as well.
    await age(location, HOUR - 60_000);
    expect((await request("GET", location)).status).toBe(204);
    await age(location, 120_000);
    await runDurableObjectAlarm(stubOf(location));
    expect((await request("GET", location)).status).toBe(204);
  });
});

describe("a multipart upload that never got its first part", () => {
  test("is aborted by the whole body that follows, which may break off and be patched after", async () => {
    const content = noise(PART + 1);
    const location = await startUpload("a");
    breakAll("BUCKET.uploadPart", "before");
    expect((await close(location, sha256(content), { body: streamOf([content]) })).status).toBe(503);
    const broken: Chunk = { body: streamOf([bytesOf("hel")], "breaks"), length: 5, range: null };
    const costs = await measure(() => stubOf(location).close(A, closing("hello", broken)));
    expect(costs.r2.abort).toBe(1);
    await patch(location, "hello");
    expect((await close(location, sha256("hello"))).status).toBe(201);
    expect(await objectKeys()).toHaveLength(1);
  });

  test("a whole body repeated aborts what the first one had begun", async () => {
    const content = noise(2 * PART);
    const location = await startUpload("a");
    const first: Chunk = {
      body: streamOf([content.subarray(0, PART + 5)], "breaks"),
      length: null,
      range: null,
    };
    await stubOf(location).close(A, closing(content, first));
    const costs = await measure(() => close(location, sha256(content), { body: content }));
    // Azure looks at what it aborts, or deletes it.
    const { delete: _, head: __, ...others } = costs.r2;
    expect(others).toEqual({ abort: 1, put: 1 });
  });
});

describe("bodies", () => {
  test("a whole body that falls silent gives way, too", async () => {
    const location = await start(HOUR, 50);
    let hangUp = () => {};
    const silent = new ReadableStream({
      start(controller) {
        controller.enqueue(bytesOf("hel"));
        hangUp = () => controller.error(new Error("gone"));
      },
    });
    const vanished = stubOf(location).close(A, closing("hello", { body: silent, length: 5, range: null }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await close(location, sha256("hello"), { body: "hello" })).status).toBe(201);
    hangUp();
    expect((await vanished).kind).toBe("interrupted");
  });

  test("one of unknown length that may have been cut off takes nothing with it", async () => {
    const location = await startUpload("a");
    await patch(location, "hel");
    const response = await close(location, sha256("hello"), { body: streamOf([bytesOf("l")]) });
    expect([response.status, await codesOf(response)]).toEqual([400, ["DIGEST_INVALID"]]);
    expect((await request("GET", location)).headers.get("Range")).toBe("0-3");
    expect(
      (await close(location, sha256("hello"), { body: "o", headers: { "Content-Range": "4-4" } })).status,
    ).toBe(201);
  });

  test("a POST of unknown length with a wrong digest leaves no session", async () => {
    const costs = await measure(() =>
      request("POST", `/v2/a/blobs/uploads/?digest=${sha256("other")}`, {
        body: streamOf([noise(PART + 1)]),
      }),
    );
    expect(costs.r2.abort).toBe(1);
  });

  test("a POST of a blob does not begin behind byte 0", async () => {
    const init = { body: "hello", headers: { "Content-Range": "5-9" } };
    expect((await request("POST", `/v2/a/blobs/uploads/?digest=${sha256("hello")}`, init)).status).toBe(400);
  });

  test("a sha512 blob whose mount fails is hashed as sha512: nothing is read back", async () => {
    const content = noise(PART + 1);
    const location = await startUpload("a", `?mount=${sha512(content)}&from=b`);
    await patch(location, content);
    const costs = await measure(() => close(location, sha512(content)));
    expect(costs.r2).toEqual({ uploadPart: 1, complete: 1 });
  });
});

describe("a session that is being closed", () => {
  test("takes no chunk, and no other digest, and can be closed still", async () => {
    const location = await startUpload("a");
    await patch(location, "hello");
    breakAll("DB.batch", "before");
    expect((await close(location, sha256("hello"))).status).toBe(503);
    const chunk = await patch(location, "more");
    expect([chunk.status, await codesOf(chunk)]).toEqual([400, ["BLOB_UPLOAD_INVALID"]]);
    const other = await close(location, sha256("other"));
    expect([other.status, await codesOf(other)]).toEqual([400, ["DIGEST_INVALID"]]);
    expect((await request("GET", location)).headers.get("Range")).toBe("0-4");
    expect((await close(location, sha256("hello"))).status).toBe(201);
  });
});

test("every answer names the API version", async () => {
  await pushBlob("a", "hello");
  const blob = `/v2/a/blobs/${sha256("hello")}`;
  const answers = await Promise.all([
    request("GET", "/v2/", { headers: { Authorization: "" } }),
    request("GET", "/v2/a/manifests/none"),
    request("POST", "/v2/"),
    request("GET", blob, { headers: { Range: "bytes=9-" } }),
    request("GET", blob, { headers: { Range: "bytes=1-2" } }),
    request("GET", blob, { headers: { "If-None-Match": "*" } }),
    request("PUT", "/v2/a/manifests/big", { body: new Uint8Array(5_000_000) }),
    request("GET", "/v2/nothing/here/at/all"),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([401, 404, 405, 416, 206, 304, 413, 404]);
  for (const { headers } of answers) {
    expect(headers.get("Docker-Distribution-Api-Version")).toBe("registry/2.0");
  }
});

test("a closing PUT that is repeated brings nothing back that was deleted since, though another repository has it", async () => {
  const digest = sha256("shared");
  const location = await startUpload("a");
  expect((await close(location, digest, { body: "shared" })).status).toBe(201);
  expect((await close(location, digest)).status).toBe(201);
  await pushBlob("b", "shared");
  expect((await request("DELETE", `/v2/a/blobs/${digest}`)).status).toBe(202);
  expect((await close(location, digest)).status).toBe(404);
  expect((await request("HEAD", `/v2/a/blobs/${digest}`)).status).toBe(404);
});
