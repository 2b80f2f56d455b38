/** The chunk uploader against a registry that fails in every way it can. */

import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAgents, destroyAgents } from "../../src/cli/http/agents.ts";
import { ask } from "../../src/cli/http/exchange.ts";
import { planChunks } from "../../src/cli/upload/chunk-plan.ts";
import type { ChunkSource } from "../../src/cli/upload/chunk-source.ts";
import { ChunkUploader } from "../../src/cli/upload/chunk-uploader.ts";
import { SessionLost, UploadRefused } from "../../src/cli/upload/refusal.ts";
import { NO_LIMITS } from "../../src/cli/upload/session.ts";
import { sha256 } from "../support/content.ts";
import {
  answer,
  cut,
  type Fault,
  faultAfter,
  limitBody,
  MemoryRegistry,
  refuse,
} from "./support/memory-registry.ts";

const KiB = 1024;
const content = randomBytes(1000 * KiB);
const agents = createAgents();
let registry: MemoryRegistry;

beforeEach(async () => {
  registry = await new MemoryRegistry().listen();
});
afterEach(() => registry.close());

function sourceOf(bytes: Buffer): ChunkSource {
  return {
    measure: async (offset, limit) => Math.min(limit, bytes.length - offset),
    async *read(offset, length) {
      for (let at = offset; at < offset + length; at += 16 * KiB) {
        yield bytes.subarray(at, Math.min(at + 16 * KiB, offset + length));
      }
    },
    release() {},
  };
}

function uploader(location = registry.begin(), chunk = 300 * KiB): ChunkUploader {
  return new ChunkUploader(
    (request) => ask(agents, request),
    { location, offset: 0 },
    { plan: planChunks(chunk, 10_000 * KiB, NO_LIMITS), pauses: [1, 1, 1, 1] },
  );
}

const never = async () => false;

async function upload(bytes = content, using = uploader()): Promise<Buffer | undefined> {
  await using.sendAll(sourceOf(bytes));
  await using.close(sha256(bytes), never);
  return registry.blobs.get(sha256(bytes));
}

describe("chunks", () => {
  test("follow one another, each with its range", async () => {
    expect(await upload()).toEqual(content);
    expect(registry.requests("PATCH").map((line) => line.split(" ")[2])).toEqual([
      "0-307199",
      "307200-614399",
      "614400-921599",
      "921600-1023999",
    ]);
  });

  test("go where each answer says, and its query comes back as it was", async () => {
    registry.absolute = true;
    expect(await upload()).toEqual(content);
  });

  test("are as large as the registry wants them", () => {
    const max = 95_000_000;
    expect(planChunks(16, max, { min: 20, max: null })).toEqual({ size: 20, min: 20 });
    expect(planChunks(16, max, { min: null, max: 10 })).toEqual({ size: 10, min: 1 });
    expect(planChunks(16, 8, NO_LIMITS)).toEqual({ size: 8, min: 1 });
    expect(() => planChunks(16, max, { min: max + 1, max: null })).toThrow(/raise --max-body/);
  });

  test("are not sent at all for a blob without bytes", async () => {
    expect(await upload(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
    expect(registry.requests("PATCH")).toEqual([]);
  });
});

describe("a chunk that fails", () => {
  /** Takes some of the chunk in before it hangs up. */
  const takeHalf: Fault = async (request) => {
    const session = [...registry.sessions.values()].at(-1);
    const piece: Buffer = (await request.iterator({ destroyOnReturn: false }).next()).value;
    if (session !== undefined) session.bytes = Buffer.concat([session.bytes, piece]);
    request.socket.destroy();
    return true;
  };

  test.each<[string, Fault]>([
    ["never arrived", cut],
    ["arrived in part", takeHalf],
    ["met a gateway without a registry", answer(502)],
    ["met a registry that is busy", answer(429, { "Retry-After": "0" })],
    ["met a registry that broke", answer(500)],
  ])("is sent from where the registry stands when it %s", async (_, fault) => {
    registry.fault = faultAfter("PATCH", 1, fault);
    expect(await upload()).toEqual(content);
    expect(registry.requests("GET")).toHaveLength(1);
  });

  test("is not sent again when only its answer was lost", async () => {
    registry.fault = faultAfter("PATCH", 1, async (request) => {
      const session = [...registry.sessions.values()].at(-1);
      for await (const piece of request) {
        if (session !== undefined) session.bytes = Buffer.concat([session.bytes, piece]);
      }
      request.socket.destroy();
      return true;
    });
    expect(await upload()).toEqual(content);
    expect(registry.requests("PATCH")).toHaveLength(4);
  });

  test("is halved until it gets through, and those after it stay as small", async () => {
    registry.fault = limitBody(100 * KiB);
    expect(await upload()).toEqual(content);
    expect(registry.requests("PATCH").filter((line) => line.includes(" 0-"))).toHaveLength(3);
    expect(registry.requests("PATCH").at(-1)).toContain("998400-1023999");
  });

  test("follows the Range of a 416", async () => {
    const location = registry.begin();
    const [session] = registry.sessions.values();
    if (session !== undefined) session.bytes = content.subarray(0, 5);
    expect(await upload(content, uploader(location))).toEqual(content);
    expect(registry.requests("PATCH")[1]).toContain(" 5-");
  });

  test("finds the single byte that 0-0 may mean", async () => {
    const location = registry.begin();
    const [session] = registry.sessions.values();
    if (session !== undefined) session.bytes = content.subarray(0, 1);
    expect(await upload(content, uploader(location))).toEqual(content);
  });
});

describe("giving up", () => {
  test("comes after a bounded number of tries, with what the registry said", async () => {
    registry.fault = (request, response) => {
      if (request.method !== "PATCH") return false;
      request.resume();
      refuse(response, 503, "UNAVAILABLE");
      return true;
    };
    await expect(upload()).rejects.toThrow("503 UNAVAILABLE: refused with 503");
    expect(registry.requests("PATCH")).toHaveLength(5);
  });

  test("comes sooner when the registry itself is broken, than while a gateway waits for it", async () => {
    registry.fault = (request, response) => request.method === "PATCH" && answer(500)(request, response);
    await expect(upload()).rejects.toThrow("500 Internal Server Error");
    expect(registry.requests("PATCH")).toHaveLength(4);
  });

  test("comes at once when the registry says no", async () => {
    registry.fault = faultAfter("PATCH", 0, answer(403));
    await expect(upload()).rejects.toThrow(UploadRefused);
    expect(registry.requests("PATCH")).toHaveLength(1);
  });

  test("tells a session that is gone from other refusals", async () => {
    registry.fault = (request) => {
      if (request.headers["content-range"]?.startsWith("307200-")) registry.sessions.clear();
      return false;
    };
    await expect(upload()).rejects.toThrow(SessionLost);
  });

  test("does not take back bytes that were acknowledged", async () => {
    registry.fault = faultAfter("PATCH", 1, answer(202, { Range: "0-9" }));
    await expect(upload()).rejects.toThrow(SessionLost);
  });

  test("passes on the error of the source, and sends nothing again", async () => {
    const broken: ChunkSource = {
      ...sourceOf(content),
      async *read() {
        yield content.subarray(0, 10);
        throw new Error("the disk is gone");
      },
    };
    await expect(uploader().sendAll(broken)).rejects.toThrow("the disk is gone");
    expect(registry.requests("PATCH").length).toBeLessThanOrEqual(1);
  });
});

describe("closing", () => {
  const whole = { source: sourceOf(content), length: content.length };

  test("carries a small blob along", async () => {
    await uploader().close(sha256(content), never, whole);
    expect(registry.log.map((line) => line.split(" ")[0])).toEqual(["PUT"]);
    expect(registry.blobs.get(sha256(content))).toEqual(content);
  });

  test.each<[string, Fault]>([
    ["breaks off", cut],
    ["is too large", limitBody(400 * KiB)],
  ])("goes on in chunks when that %s", async (_, fault) => {
    registry.fault = faultAfter("PUT", 0, fault);
    await uploader().close(sha256(content), never, whole);
    expect(registry.blobs.get(sha256(content))).toEqual(content);
  });

  test("has succeeded when its answer is lost, and the blob is there", async () => {
    const using = uploader();
    await using.sendAll(sourceOf(content));
    registry.fault = faultAfter("PUT", 0, (request) => {
      registry.sessions.clear();
      request.socket.destroy();
      return true;
    });
    expect(await using.close(sha256(content), async () => true)).toBeNull();
    await expect(uploader(using.session.location).close(sha256(content), async () => true)).rejects.toThrow(
      SessionLost,
    );
  });

  test("says that the digest is wrong", async () => {
    await expect(uploader().close(sha256(Buffer.from("other")), never, whole)).rejects.toThrow(
      "400 DIGEST_INVALID",
    );
  });
});

test("whatever fails, the blob is right or the upload fails", async () => {
  const faults: readonly Fault[] = [
    () => false,
    () => false,
    cut,
    answer(502),
    answer(503),
    limitBody(150 * KiB),
  ];
  const schedule = fc.array(fc.nat({ max: faults.length - 1 }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(schedule, fc.nat({ max: content.length }), async (picks, length) => {
      const bytes = content.subarray(0, length);
      const left = [...picks];
      registry.fault = (request, response) => faults[left.shift() ?? 0]?.(request, response) ?? false;
      registry.blobs.clear();
      const result = await upload(bytes).catch((error: unknown) => error);
      if (!(result instanceof Error)) expect(result).toEqual(bytes);
      for (const [digest, blob] of registry.blobs) expect(sha256(blob)).toBe(digest);
    }),
    { numRuns: 60 },
  );
});

test("agents let go of their connections", () => destroyAgents(agents));
