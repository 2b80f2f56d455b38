/** A database that holds as much as it may: pushes are told so, and all else goes on. */

import { env } from "cloudflare:workers";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { collect } from "../gc/support.ts";
import { bucket } from "../support/bucket.ts";
import { fillDatabase, healAll, refusedByFull } from "../support/faults.ts";
import { imageOf, pushImage } from "../support/images.ts";
import {
  bytesOf,
  close,
  patch,
  pullBlob,
  pushBlob,
  putManifest,
  request,
  sha256,
  startUpload,
  streamOf,
} from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";

/** As the simulator says it, and as Cloudflare does. */
const MESSAGES = [
  "D1_ERROR: database or disk is full: SQLITE_FULL",
  "D1_ERROR: Exceeded maximum DB size.",
  "D1_ERROR: Exceeded maximum account storage size. Contact Cloudflare support.",
];

/** What cannot be refused for its size: it only reads, or deletes. */
function addsRows(statements: string[]): boolean {
  return statements.some((sql) => /^INSERT INTO (repositories|blobs|repository_blobs|manifests)\b/.test(sql));
}

async function expectFull(response: Response): Promise<void> {
  const { errors } = (await response.json()) as { errors: { code: string; message: string }[] };
  expect([response.status, errors.map(({ code }) => code)]).toEqual([507, ["DENIED"]]);
  expect(errors[0]?.message).toMatch(/database is full: delete images .*npm run gc/);
}

const IMAGE = imageOf("config", ["layer"]);

/** Each way to push, begun before the database is full, up to the request that fails; it can be repeated. */
const PUSHES: Record<string, () => Promise<() => Promise<Response>>> = {
  "a manifest": async () => {
    await pushBlob("a", "config");
    await pushBlob("a", "layer");
    return () => putManifest("a", "latest", IMAGE);
  },
  "a manifest that is an object": async () => {
    await pushBlob("a", "config");
    return () => putManifest("a", "latest", imageOf("config", [], { padding: "x".repeat(1_100_000) }));
  },
  "a blob in one POST": async () => () =>
    request("POST", `/v2/a/blobs/uploads/?digest=${sha256("hello")}`, { body: "hello" }),
  "a blob in one PUT": async () => {
    const location = await startUpload("a");
    return () => close(location, sha256("hello"), { body: "hello" });
  },
  "a blob of unknown length in one PUT": async () => {
    const location = await startUpload("a");
    return () => close(location, sha256("hello"), { body: streamOf([bytesOf("hello")]) });
  },
  "a blob in chunks": async () => {
    const location = await startUpload("a");
    expect((await patch(location, bytesOf("hel"))).status).toBe(202);
    expect((await patch(location, bytesOf("lo"))).status).toBe(202);
    return () => close(location, sha256("hello"));
  },
  "a mount": async () => {
    await pushBlob("source", "hello");
    return () => request("POST", `/v2/a/blobs/uploads/?mount=${sha256("hello")}&from=source`);
  },
  "a mount from anywhere": async () => {
    await pushBlob("source", "hello");
    return () => request("POST", `/v2/a/blobs/uploads/?mount=${sha256("hello")}`);
  },
};

describe("507 DENIED, with no second try and nothing lost, when D1 refuses", () => {
  test.each(Object.entries(PUSHES))("%s", async (_, begin) => {
    for (const message of MESSAGES) {
      const push = await begin();
      fillDatabase(message, addsRows);
      await expectFull(await push());
      expect(refusedByFull()).toBe(1);
      healAll();
      expect((await push()).status).toBe(201);
      for (const table of ["tags", "manifests", "repository_blobs", "blobs", "repositories"])
        await env.DB.prepare(`DELETE FROM ${table}`).run();
    }
  });

  test("and the bytes that a session had are served afterwards", async () => {
    const push = await (PUSHES["a blob in chunks"] as () => Promise<() => Promise<Response>>)();
    fillDatabase(MESSAGES[0] as string, addsRows);
    for (let tries = 0; tries < 3; tries++) await expectFull(await push());
    healAll();
    expect((await push()).status).toBe(201);
    expect(await pullBlob("a", sha256("hello"))).toBe("hello");
  });
});

/** Makes the database as large as this, with a row that can go again. Bytes. */
async function growTo(bytes: number): Promise<void> {
  const { meta } = await env.DB.prepare("SELECT 1").run();
  await env.DB.prepare("INSERT INTO gc_runs (id, started_at, report) VALUES (?1, 0, hex(zeroblob(?2)))")
    .bind(`large ${bytes}`, Math.ceil((bytes - meta.size_after) / 2))
    .run();
}

describe("from 99 % of DATABASE_LIMIT on", () => {
  test("pushes are refused before their bytes are taken, and go on when there is room again", async () => {
    const digest = await pushImage("a", "latest", "config", []);
    const objects = (await bucket.list()).length;
    setVariables({ DATABASE_LIMIT: "1MB" });
    await growTo(1_000_000);
    await expectFull(await putManifest("a", "other", imageOf("config", [])));
    await expectFull(await request("POST", "/v2/a/blobs/uploads/"));
    await expectFull(
      await request("POST", `/v2/a/blobs/uploads/?digest=${sha256("hello")}`, { body: "hello" }),
    );
    expect((await bucket.list()).length).toBe(objects);
    expect(await env.DB.prepare("SELECT count(*) AS n FROM open_uploads").first("n")).toBe(0);
    // Deletions and collections go on, and so do pulls.
    expect((await request("GET", "/v2/a/manifests/latest")).status).toBe(200);
    expect((await request("DELETE", `/v2/a/manifests/${digest}`)).status).toBe(202);
    expect((await request("DELETE", `/v2/a/blobs/${sha256("config")}`)).status).toBe(202);
    expect((await collect()).outcome).toBe("complete");
    await env.DB.prepare("DELETE FROM gc_runs").run();
    expect((await request("POST", "/v2/a/blobs/uploads/")).status).toBe(202);
  });

  test("and not below it", async () => {
    setVariables({ DATABASE_LIMIT: "1MB" });
    await growTo(900_000);
    await pushImage("a", "latest", "config", []);
  });
});

describe("a collection", () => {
  async function warnings(): Promise<unknown[]> {
    const spy = vi.spyOn(console, "warn");
    onTestFinished(() => spy.mockRestore());
    await collect();
    return spy.mock.calls.map(([line]) => JSON.parse(String(line))).map(({ event }) => event);
  }

  test("warns from 80 % of DATABASE_LIMIT on, and reports the size", async () => {
    setVariables({ DATABASE_LIMIT: "1MB" });
    await growTo(700_000);
    expect(await warnings()).toEqual([]);
    await growTo(850_000);
    expect(await warnings()).toEqual(["database-nearly-full"]);
    const response = await request("GET", "/v2/_berth/gc");
    const { runs } = (await response.json()) as {
      runs: { database: { bytes: number; limit: number; nearlyFull: boolean } | null }[];
    };
    const [last, before] = runs.map(({ database }) => database);
    expect([last?.limit, before?.limit]).toEqual([1_000_000, 1_000_000]);
    expect([last?.nearlyFull, before?.nearlyFull]).toEqual([true, false]);
    expect(last?.bytes).toBeGreaterThanOrEqual(800_000);
    expect(before?.bytes).toBeLessThan(800_000);
  });
});
