/** Uploads when the store beneath them drops, breaks off or refuses. */

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, inject, test } from "vitest";
import { bucket } from "../support/bucket.ts";
import { breakAll, breakBodies, breakNext, healAll, interleave } from "../support/faults.ts";
import { imageOf } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import {
  close,
  codesOf,
  noise,
  patch,
  pushBlob,
  putManifest,
  request,
  sha256,
  startUpload,
  streamOf,
} from "../support/registry.ts";
import { stubOf } from "../support/upload-session.ts";

/** An object of parts is several files there, each with a body of its own: which one breaks cannot be counted. */
const hasFiles = inject("store") === "disk";

const MIB = 1024 * 1024;
const PART = 8 * MIB;

interface Kept {
  phase: string;
  objectKey: string;
  multipartId: string;
}

function stateOf(location: string): Promise<Kept | undefined> {
  return runInDurableObject(stubOf(location), (_, { storage }) => storage.kv.get<Kept>("state"));
}

/** As R2 does after 7 days, or by a rule of the bucket. */
async function dropMultipart(location: string): Promise<void> {
  const { objectKey, multipartId } = (await stateOf(location)) as Kept;
  await bucket.drop(objectKey, multipartId);
}

async function objectKeys(): Promise<string[]> {
  return bucket.keys();
}

async function expectStored(content: Uint8Array): Promise<void> {
  const response = await request("GET", `/v2/a/blobs/${sha256(content)}`);
  expect(response.status).toBe(200);
  expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(content));
}

// Azurite keeps blocks that Azure drops: contract.test.ts.
describe.skipIf(inject("store") === "azure")("a multipart upload that the store has dropped", () => {
  const steps: [step: string, go: (location: string) => Promise<Response>][] = [
    ["the next part", (location) => patch(location, noise(PART + 1, 2))],
    ["the closing PUT", (location) => close(location, sha256("whatever"), { body: noise(PART) })],
    ["the last part, short", (location) => close(location, sha256(noise(PART + 5)))],
  ];
  for (const [step, go] of steps) {
    test(`is found out with ${step}: 404, the session is gone, and another one takes the blob`, async () => {
      const location = await startUpload("a");
      await patch(location, noise(PART + 5));
      await dropMultipart(location);
      const response = await go(location);
      expect([response.status, await codesOf(response)]).toEqual([404, ["BLOB_UPLOAD_UNKNOWN"]]);
      expect((await request("GET", location)).status).toBe(404);
      expect(await stateOf(location)).toBe(undefined);
      const again = await startUpload("a");
      await patch(again, noise(PART + 5));
      expect((await close(again, sha256(noise(PART + 5)))).status).toBe(201);
      await expectStored(noise(PART + 5));
    });
  }

  test("can be cancelled, and expires", async () => {
    const location = await startUpload("a");
    await patch(location, noise(PART + 5));
    await dropMultipart(location);
    expect((await request("DELETE", location)).status).toBe(204);
    expect(await stateOf(location)).toBe(undefined);
    expect(await objectKeys()).toEqual([]);
  });
});

describe("a session that cannot end well any more", () => {
  test("whose object went while it was being committed is gone for every request", async () => {
    const location = await startUpload("a");
    const content = noise(PART + 5);
    await patch(location, content);
    breakAll("DB.batch", "before");
    expect((await close(location, sha256(content))).status).toBe(503);
    healAll();
    await bucket.delete(await objectKeys());
    expect((await close(location, sha256(content))).status).toBe(404);
    expect((await request("GET", location)).status).toBe(404);
    expect(await stateOf(location)).toBe(undefined);
  });

  test.skipIf(hasFiles)("whose object went while its bytes were taken back is gone at once", async () => {
    const content = noise(PART + 5);
    const location = await startUpload("a");
    await patch(location, content.subarray(0, PART + 1));
    await evictDurableObject(stubOf(location));
    breakBodies(Number.POSITIVE_INFINITY, 0, 0, 0, 0);
    await close(location, sha256("other"), { body: streamOf([content.subarray(PART + 1)]) });
    expect((await stateOf(location))?.phase).toBe("reopening");
    healAll();
    await bucket.delete(await objectKeys());
    expect((await request("GET", location)).status).toBe(404);
    expect(await stateOf(location)).toBe(undefined);
  });

  test("whose parts R2 refuses is gone, and answers no 500", async () => {
    const location = await startUpload("a");
    await patch(location, noise(PART + 5));
    await runInDurableObject(stubOf(location), (_, { storage }) =>
      storage.kv.put("part/00001", "another etag"),
    );
    expect((await close(location, sha256(noise(PART + 5)))).status).toBe(404);
    expect((await request("GET", location)).status).toBe(404);
  });

  test("a multipart upload that never got a part closes as what is there", async () => {
    const location = await startUpload("a");
    breakAll("BUCKET.uploadPart", "before");
    expect((await patch(location, noise(PART + 5))).status).toBe(503);
    healAll();
    expect((await close(location, sha256(""))).status).toBe(201);
    await expectStored(new Uint8Array(0));
  });
});

describe("a finished object that has to be read back", () => {
  /** A session of two parts whose running hash an eviction has taken. */
  async function evicted(content: Uint8Array): Promise<string> {
    const location = await startUpload("a");
    await patch(location, content.subarray(0, PART + MIB));
    await evictDurableObject(stubOf(location));
    await patch(location, content.subarray(PART + MIB));
    return location;
  }

  test.skipIf(hasFiles)("is read on from where it broke off, as often as there is progress", async () => {
    const content = noise(2 * PART + 5);
    const location = await evicted(content);
    breakBodies(MIB, 3 * MIB + 7, 0, 1, PART, 2 * MIB);
    const costs = await measure(() => close(location, sha256(content)));
    expect(costs.r2.get).toBe(7);
    await expectStored(content);
  });

  test("is given up with 503 after too many breaks without a byte, and closed by the PUT repeated", async () => {
    const content = noise(2 * PART + 5);
    const location = await evicted(content);
    breakBodies(0, 0, 0, 0);
    const response = await close(location, sha256(content));
    expect([response.status, await codesOf(response)]).toEqual([503, ["UNAVAILABLE"]]);
    expect((await close(location, sha256(content))).status).toBe(201);
    await expectStored(content);
    expect(await objectKeys()).toHaveLength(1);
  });
});

describe("a closing PUT of unknown length that was cut off, behind an eviction", () => {
  const content = noise(2 * PART + 5 * MIB);
  const CUT = 2 * PART + 2 * MIB;

  /** The last bytes arrive only in part; it looks like their end. */
  async function cut(): Promise<string> {
    const location = await startUpload("a");
    await patch(location, content.subarray(0, PART + MIB));
    await evictDurableObject(stubOf(location));
    const body = streamOf([content.subarray(PART + MIB, CUT)]);
    const response = await close(location, sha256(content), { body });
    expect(response.status).toBeOneOf([400, 503]);
    return location;
  }

  async function goOn(location: string): Promise<void> {
    const status = await request("GET", location);
    expect([status.status, status.headers.get("Range")]).toEqual([204, `0-${CUT - 1}`]);
    const headers = { "Content-Range": `${CUT}-${content.byteLength - 1}` };
    expect((await patch(location, content.subarray(CUT), headers)).status).toBe(202);
    expect((await close(location, sha256(content))).status).toBe(201);
    await expectStored(content);
    expect(await objectKeys()).toHaveLength(1);
  }

  test("keeps the session and every byte", async () => {
    await goOn(await cut());
  });

  test.skipIf(hasFiles)(
    "also when taking the bytes back breaks off, and goes on with the next request",
    async () => {
      // The first read is the one that hashes; the others take back.
      breakBodies(CUT, MIB, 0, PART, 0, 0, 0, 0);
      const location = await cut();
      expect((await stateOf(location))?.phase).toBe("reopening");
      healAll();
      await evictDurableObject(stubOf(location));
      await goOn(location);
    },
  );

  test.skipIf(hasFiles)("can be cancelled in the middle of it: nothing stays", async () => {
    breakBodies(CUT, MIB, 0, 0, 0, 0);
    const location = await cut();
    expect((await stateOf(location))?.phase).toBe("reopening");
    expect((await request("DELETE", location)).status).toBe(204);
    expect(await objectKeys()).toEqual([]);
  });

  test("a PUT of known length with a wrong digest ends the session, as before", async () => {
    const location = await startUpload("a");
    await patch(location, content.subarray(0, PART + MIB));
    await evictDurableObject(stubOf(location));
    const body = content.subarray(PART + MIB, CUT);
    expect((await close(location, sha256(content), { body })).status).toBe(400);
    expect((await request("GET", location)).status).toBe(404);
    expect(await objectKeys()).toEqual([]);
  });
});

describe("a key that no row names yet", () => {
  test("is registered before a multipart upload is completed, and off the list with the commit", async () => {
    const pending = () => env.DB.prepare("SELECT count(*) AS n FROM pending_objects").first("n");
    const location = await startUpload("a");
    await patch(location, noise(PART + 5));
    let registered: unknown = null;
    interleave("BUCKET.complete", async () => {
      registered = await pending();
    });
    expect((await close(location, sha256(noise(PART + 5)))).status).toBe(201);
    expect([registered, await pending()]).toEqual([1, 0]);
  });
});

describe("when only the cleaning up after a success fails, it is a success", () => {
  for (const when of ["before", "after"] as const) {
    test(`a duplicate blob by POST, ${when}`, async () => {
      await pushBlob("a", "hello");
      breakAll("BUCKET.delete", when);
      const path = `/v2/b/blobs/uploads/?digest=${sha256("hello")}`;
      expect((await request("POST", path, { body: "hello" })).status).toBe(201);
    });

    test(`a large manifest pushed again, ${when}`, async () => {
      await pushBlob("a", "config");
      const manifest = { ...imageOf("config", []), padding: "x".repeat(1_100_000) };
      expect((await putManifest("a", "one", manifest)).status).toBe(201);
      breakAll("BUCKET.delete", when);
      expect((await putManifest("a", "two", manifest)).status).toBe(201);
      expect((await request("HEAD", "/v2/a/manifests/two")).status).toBe(200);
    });
  }
});

describe("passing faults", () => {
  for (const call of ["createMultipartUpload", "uploadPart", "complete"]) {
    for (const when of ["before", "after"] as const) {
      test(`one ${call} that fails ${when} it was made is not seen`, async () => {
        breakNext(`BUCKET.${call}`, when);
        const location = await startUpload("a");
        expect((await patch(location, noise(PART + 5))).status).toBe(202);
        expect((await close(location, sha256(noise(PART + 5)))).status).toBe(201);
        await expectStored(noise(PART + 5));
      });
    }
  }

  test("a session that R2 keeps from ending is dropped by its alarm when R2 is back", async () => {
    const location = await startUpload("a");
    await patch(location, noise(PART + 5));
    breakAll("BUCKET.abort", "before");
    breakAll("BUCKET.delete", "before");
    expect((await request("DELETE", location)).status).toBe(204);
    healAll();
    expect(await runDurableObjectAlarm(stubOf(location))).toBe(true);
    expect(await stateOf(location)).toBe(undefined);
  });
});
