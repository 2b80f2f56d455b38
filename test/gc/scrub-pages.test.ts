/** A scrub goes through everything in pages, for administrators. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import type { ScrubPage } from "../../src/storage/scrub/findings.ts";
import type { Limits } from "../../src/storage/scrub/scrub.ts";
import { finishBackground } from "../support/background.ts";
import { bucket } from "../support/bucket.ts";
import { pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { codesOf, pushBlob, request, sha256 } from "../support/registry.ts";
import { addUser, basic } from "../support/users.ts";
import { damage, expectWhole, keyOfBlob, LARGE, limited, scrubAll, scrubPage } from "./scrubbing.ts";
import { dump } from "./support.ts";

afterEach(() =>
  expect(env.DB.prepare("PRAGMA foreign_key_check").all()).resolves.toMatchObject({ results: [] }),
);

const digestsOf = (found: { digest: string }[]) => found.map(({ digest }) => digest).sort();
const HEALED = [...["one", "two", "three", "four"].map(sha256), sha256(LARGE)].sort();

describe("pages", () => {
  const LIMITS: [what: string, limits: Partial<Limits>, pages: number][] = [
    ["one thing", { items: 1 }, 13],
    ["two things", { items: 2 }, 8],
    ["one list", { lists: 1 }, 5],
    ["one byte", { bytes: 1 }, 5],
    ["no time", { duration: 0 }, 5],
    ["all of a walk", {}, 4],
  ];
  test.each(LIMITS)("of %s a call find the same, each thing once, and end", async (_, limits, least) => {
    await damage();
    const { found, pages } = await scrubAll((after) => limited(after, limits));
    expect(digestsOf(found.healed)).toEqual(HEALED);
    expect(digestsOf(found.quarantined)).toEqual([sha256("one")]);
    expect(digestsOf(found.missing)).toEqual([sha256("two"), sha256(LARGE)].sort());
    expect(found.damaged).toEqual([]);
    // Six blobs, three manifests, three objects.
    expect(found.checked).toBe(12);
    expect(pages.length).toBeGreaterThanOrEqual(least);
    for (const { checked } of pages)
      if (limits.items !== undefined) expect(checked).toBeLessThanOrEqual(limits.items);
    await expectWhole();
  });

  test("what is damaged is told once, however small they are", async () => {
    for (const tag of ["t1", "t2", "t3"]) await pushImage("a", tag, `config ${tag}`, ["one", "two"]);
    for (const content of ["one", "two"]) await bucket.delete(await keyOfBlob(sha256(content)));
    for (const items of [1, 2, 100]) {
      const { found } = await scrubAll((after) => limited(after, { items }));
      expect(found.damaged.map(({ tags }) => tags)).toEqual([["t1"], ["t2"], ["t3"]]);
    }
  });

  test("many blobs take several calls, and few queries each", async () => {
    const insert = env.DB.prepare(
      `INSERT INTO blobs (digest, object_key, size, used_at, linked)
       SELECT 'sha256:' || printf('%064x', value), 'blobs/' || value, 7, 1, 0 FROM json_each(?1)`,
    );
    await insert.bind(JSON.stringify(Array.from({ length: 450 }, (_, index) => index))).run();
    const calls: number[] = [];
    const { found, pages } = await scrubAll(async (after) => {
      let page: ScrubPage | undefined;
      const costs = await measure(async () => {
        page = await scrubPage(after === null ? {} : { after });
      });
      calls.push(costs.queries);
      return page as ScrubPage;
    });
    expect([found.checked, found.missing.length]).toEqual([450, 450]);
    expect(pages.filter(({ phase }) => phase === "blobs")).toHaveLength(3);
    // D1 allows 1,000 an invocation.
    expect(Math.max(...calls)).toBeLessThanOrEqual(300);
  });

  test("a cursor whose blob has gone since goes on behind it", async () => {
    await pushBlob("a", "one");
    await pushBlob("a", "two");
    const first = await limited(null, { items: 1 });
    await env.DB.batch([env.DB.prepare("DELETE FROM repository_blobs"), env.DB.prepare("DELETE FROM blobs")]);
    expect(await limited(first.next, { items: 1 })).toMatchObject({ checked: 0, next: "manifests:" });
  });
});

describe("who may scrub", () => {
  test("administrators, with their passwords; a refusal changes nothing", async () => {
    await damage();
    await addUser("user", { access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }] });
    await addUser("operator", { access: [], admin: true });
    const before = await dump();
    for (const [authorization, status, code] of [
      ["", 401, "UNAUTHORIZED"],
      [basic("admin", "wrong"), 401, "UNAUTHORIZED"],
      [basic("user"), 403, "DENIED"],
    ] as const) {
      const response = await request("POST", "/v2/_berth/scrub?rebuild=true", {
        headers: { Authorization: authorization },
      });
      expect([response.status, await codesOf(response)]).toEqual([status, [code]]);
    }
    await finishBackground();
    // That somebody did not get in is on record.
    await env.DB.prepare("DELETE FROM audit_events WHERE action = 'log-in'").run();
    expect(await dump()).toBe(before);
    const allowed = await request("POST", "/v2/_berth/scrub", {
      headers: { Authorization: basic("operator") },
    });
    expect(allowed.status).toBe(200);
    expect((await request("GET", "/v2/_berth/scrub")).status).toBe(405);
  });
});
