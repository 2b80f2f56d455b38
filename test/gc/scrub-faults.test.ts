/** A scrub while stores fail. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import type { ScrubPage } from "../../src/storage/scrub/findings.ts";
import { allHappened, breakAlways, breakBodies, breakNext, healAll, interleave } from "../support/faults.ts";
import { codesOf, pushBlob, request, sha256 } from "../support/registry.ts";
import {
  damage,
  empty,
  expectWell,
  expectWhole,
  LAYERS,
  limited,
  quarantinedKeys,
  scrub,
  scrubAll,
  scrubPage,
} from "./scrubbing.ts";

afterEach(() =>
  expect(env.DB.prepare("PRAGMA foreign_key_check").all()).resolves.toMatchObject({ results: [] }),
);

describe("a store that fails in the middle of a scrub", () => {
  /** All pages. A store that refuses is back when the same page is asked for again. */
  async function throughFailure(): Promise<"refused" | "unnoticed"> {
    let outcome: "refused" | "unnoticed" = "unnoticed";
    for (let after: string | null = null; ; ) {
      try {
        const page: ScrubPage = await limited(after, {});
        if (page.next === null) return outcome;
        after = page.next;
      } catch (error) {
        expect([String(error), outcome]).toEqual([expect.stringContaining("not available"), "unnoticed"]);
        outcome = "refused";
        healAll();
      }
    }
  }

  const unnoticed: string[] = [];

  const CALLS = [
    ...(["DB.batch", "BUCKET.head", "BUCKET.get", "BUCKET.list", "BUCKET.put"] as const).map(
      (call) => [call, "before"] as const,
    ),
    ...(["DB.query", "DB.batch", "BUCKET.put"] as const).map((call) => [call, "after"] as const),
  ];

  test.each(CALLS)(
    "from each %s on, %s it was made: the same cursor again gets through",
    async (call, when) => {
      let forced = 0;
      for (; ; forced++) {
        await damage();
        // The calls behind this one fail until the store is back.
        interleave(call, async () => breakAlways(call, when), forced);
        const outcome = await throughFailure();
        const happened = allHappened();
        healAll();
        await expectWhole();
        if (!happened) break;
        await empty();
        // Only behind the very last one is there nothing left to fail.
        if (outcome === "unnoticed") unnoticed.push(`${call} ${forced}`);
      }
      expect(forced).toBeGreaterThanOrEqual(2);
      expect(unnoticed.length).toBeLessThanOrEqual(1);
      unnoticed.length = 0;
    },
    240_000,
  );

  test("is answered 503 with Retry-After, and the same cursor succeeds", async () => {
    await damage();
    breakAlways("BUCKET.head", "before");
    const response = await request("POST", "/v2/_berth/scrub");
    expect([response.status, response.headers.get("Retry-After"), await codesOf(response)]).toEqual([
      503,
      "5",
      ["UNAVAILABLE"],
    ]);
    healAll();
    expect((await scrub({ rebuild: "true" })).damaged).toEqual([]);
    await expectWhole();
  });

  test("after something was looked at ends the page there, and tells what was found", async () => {
    await damage();
    interleave("BUCKET.head", async () => breakAlways("BUCKET.head", "before"), 3);
    const first = await scrubPage();
    expect([first.phase, first.checked]).toEqual(["blobs", 4]);
    const digests = [...["config", ...LAYERS, "whole"].map(sha256)].sort();
    expect(first.next).toBe(`blobs:${digests[3]}`);
    healAll();
    const { found } = await scrubAll((after) => scrubPage({ after: after ?? (first.next as string) }));
    expect(first.healed.length + found.healed.length).toBe(2);
    expect(first.checked + found.checked).toBe(9);
  });

  test("an object whose body breaks off is read on from there", async () => {
    await pushBlob("a", "one");
    breakBodies(1, 1);
    await expectWell();
    expect(allHappened()).toBe(true);
  });

  test("an answer of D1 that is lost once is not lost to the report", async () => {
    await damage();
    breakNext("DB.batch", "after", "after");
    const found = await scrub();
    expect(allHappened()).toBe(true);
    expect([found.healed.length, found.quarantined.length]).toEqual([2, 1]);
    expect(await quarantinedKeys()).toHaveLength(1);
  });
});
