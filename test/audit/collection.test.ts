/** Collections are events, and they take those that have been kept for long enough. */

import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import worker from "../../src/index.ts";
import { collect, expectSound } from "../gc/support.ts";
import { setDaysAhead } from "../support/clock.ts";
import { storedEvents } from "../support/events.ts";
import { breakAll, breakAlways, healAll } from "../support/faults.ts";
import { pushBlob, request } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";

afterEach(() => setDaysAhead(0));

describe("a run", () => {
  test("is one event with its own id, of who asked for it", async () => {
    const headers = { "CF-Connecting-IP": "192.0.2.7" };
    const { id } = (await (await request("POST", "/v2/_berth/gc", { headers })).json()) as { id: string };
    const events = await storedEvents("collect");
    expect(events).toMatchObject([{ actor: "admin", address: "192.0.2.7", outcome: "complete" }]);
    expect(JSON.parse(events[0]?.detail ?? "")).toMatchObject({ run: id, objectsDeleted: 0 });
  });

  test("of cron is one too", async () => {
    await worker.scheduled(createScheduledController(), env);
    expect(await storedEvents("collect")).toMatchObject([
      { actor: "cron", credential: null, address: null, outcome: "complete" },
    ]);
  });

  test("that failed says so", async () => {
    breakAlways("BUCKET.list", "before");
    await collect();
    healAll();
    expect(await storedEvents("collect")).toMatchObject([{ outcome: "failed" }]);
  });

  test("that is dry is none", async () => {
    await request("POST", "/v2/_berth/gc?dry-run=true");
    expect(await storedEvents()).toEqual([]);
  });

  test("says what it was told to do besides", async () => {
    await request("POST", "/v2/_berth/gc?force=true&adopt=true");
    await request("POST", "/v2/_berth/gc");
    const details = (await storedEvents("collect")).map(({ detail }) => JSON.parse(detail ?? ""));
    expect(details.map(({ force, adopt }) => [force, adopt])).toEqual([
      [true, true],
      [undefined, undefined],
    ]);
  });
});

describe("a scrub", () => {
  test("is one event of who asked for it, however many pages it has", async () => {
    await pushBlob("a", "blob");
    for (let query = "rebuild=true"; query !== ""; ) {
      const response = await request("POST", `/v2/_berth/scrub?${query}`);
      const { next } = (await response.json()) as { next: string | null };
      query = next === null ? "" : `rebuild=true&${new URLSearchParams({ after: next })}`;
    }
    const events = await storedEvents("scrub");
    expect(events).toMatchObject([{ actor: "admin", outcome: "begun" }]);
    expect(JSON.parse(events[0]?.detail ?? "")).toEqual({ rebuild: true });
  });

  test("that cannot be written down does not begin", async () => {
    breakAll("DB.query", "before");
    expect((await request("POST", "/v2/_berth/scrub")).status).toBe(503);
    expect(await storedEvents("scrub")).toEqual([]);
    expect((await request("POST", "/v2/_berth/scrub")).status).toBe(200);
    expect(await storedEvents("scrub")).toHaveLength(1);
  });
});

describe("AUDIT_KEPT", () => {
  test("is how long events stay: then a run takes them, and no other", async () => {
    await pushBlob("a", "old");
    setDaysAhead(60);
    await pushBlob("a", "new");
    setDaysAhead(89);
    expect((await collect()).eventsDeleted).toBe(0);
    setDaysAhead(91);
    expect((await collect()).eventsDeleted).toBe(1);
    expect((await storedEvents("push-blob")).map(({ detail }) => detail)).toHaveLength(1);
    await expectSound();
  });

  test('"keep" keeps them for ever', async () => {
    setVariables({ AUDIT_KEPT: "keep" });
    await pushBlob("a", "old");
    setDaysAhead(4000);
    expect((await collect()).eventsDeleted).toBe(0);
    expect(await storedEvents("push-blob")).toHaveLength(1);
  });

  test.each(["0", "forever", "90"])("%j makes no sense, and fails every request", async (kept) => {
    setVariables({ AUDIT_KEPT: kept });
    expect((await request("GET", "/v2/")).status).toBe(500);
  });

  test("is a step with a budget of its own: what one run does not get to the next one takes", async () => {
    for (let page = 0; page < 25; page++) {
      await env.DB.prepare(
        `INSERT INTO audit_events (id, at, action, outcome)
         SELECT 'old/' || (value + ?2), 1, 'log-in', 'failed' FROM json_each(?1)`,
      )
        .bind(JSON.stringify(Array.from({ length: 1000 }, (_, index) => index)), page * 1000)
        .run();
    }
    const first = await collect();
    expect([first.outcome, first.unfinished, first.eventsDeleted]).toEqual(["stopped", ["events"], 24_000]);
    const second = await collect();
    expect([second.outcome, second.eventsDeleted]).toEqual(["complete", 1000]);
    expect(await storedEvents("log-in")).toEqual([]);
  });

  test("a dry run takes no events", async () => {
    await pushBlob("a", "old");
    setDaysAhead(91);
    await collect(true);
    expect(await storedEvents()).toHaveLength(1);
  });
});
