/** GET /v2/_berth/audit: the audit trail in pages, for administrators. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { AuditEvent } from "../../src/storage/audit-log.ts";
import { imageOf } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { codesOf, pushBlob, putManifest, request } from "../support/registry.ts";
import { addUser, basic } from "../support/users.ts";

interface Page {
  events: AuditEvent[];
  next: string | null;
}

async function page(query = ""): Promise<Page> {
  return (await request("GET", `/v2/_berth/audit${query}`)).json();
}

/** All pages. @param query begins with "?" */
async function walk(query: string): Promise<{ events: AuditEvent[]; pages: number }> {
  const events: AuditEvent[] = [];
  for (let pages = 1, last = ""; ; pages++) {
    const { events: more, next } = await page(`${query}${last}`);
    events.push(...more);
    if (next === null) return { events, pages };
    last = `&last=${encodeURIComponent(next)}`;
  }
}

/** One event a number, all of the same moment for every ten. */
async function fill(count: number, actor: string, repository = "big"): Promise<void> {
  for (let begin = 0; begin < count; begin += 1000) {
    const numbers = Array.from({ length: Math.min(1000, count - begin) }, (_, index) => begin + index);
    await env.DB.prepare(
      `INSERT INTO audit_events (id, at, actor, action, outcome, repository)
       SELECT ?2 || '/' || value, 1000 + value / 10, ?2, 'push-blob', 'done', ?3 FROM json_each(?1)`,
    )
      .bind(JSON.stringify(numbers), actor, repository)
      .run();
  }
}

test("tells all of an event", async () => {
  await pushBlob("a", "config");
  await putManifest("a", "v1", imageOf("config", []));
  const { events, next } = await page("?action=move-tag");
  expect(next).toBeNull();
  expect(events).toEqual([
    {
      ...{ id: expect.stringMatching(/\/tag\/v1$/), at: expect.any(Number), actor: "admin" },
      ...{ credential: "password", address: "unknown", userAgent: null, action: "move-tag", outcome: "done" },
      ...{ repository: "a", reference: "v1", oldDigest: null, newDigest: expect.stringMatching(/^sha256:/) },
      detail: null,
    },
  ]);
  const [push] = (await page("?action=push-manifest")).events;
  expect(push?.detail).toEqual({ tags: ["v1"] });
});

describe("pages", () => {
  test.each(["", "&repository=big", "&actor=alice", "&action=push-blob"])(
    "tell every event once, the newest first, of one moment too (%s)",
    async (filter) => {
      await fill(95, "alice");
      const { events, pages } = await walk(`?n=10${filter}`);
      expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).sort((a, b) => b - a));
      expect(new Set(events.map(({ id }) => id)).size).toBe(95);
      expect([events.length, pages]).toEqual([95, 10]);
    },
  );

  test("have no empty one behind the last", async () => {
    await fill(20, "alice");
    for (const filter of ["", "&actor=alice"]) expect((await walk(`?n=10${filter}`)).pages).toBe(2);
  });

  test("have 100 events without n, and at most 1000", async () => {
    await fill(1100, "alice");
    expect((await page()).events).toHaveLength(100);
    expect((await page("?n=99999")).events).toHaveLength(1000);
  });

  test("look through a bounded part for somebody's: then a page is short, and the next goes on", async () => {
    await fill(1, "alice");
    await fill(12_000, "bob");
    await env.DB.prepare("UPDATE audit_events SET at = 1 WHERE actor = 'alice'").run();
    const costs = await measure(async () => {
      const first = await page("?actor=alice");
      expect(first.events).toEqual([]);
      expect(first.next).not.toBeNull();
    });
    expect(costs.queries).toBe(10);
    expect(costs.rowsRead).toBeLessThanOrEqual(20_000);
    const { events, pages } = await walk("?actor=alice");
    expect([events.map(({ actor }) => actor), pages]).toEqual([["alice"], 2]);
  });
});

test("filters by repository, actor, action and time, alone and together", async () => {
  await addUser("alice");
  const asAlice = { headers: { Authorization: basic("alice") } };
  await pushBlob("team/app", "config");
  await pushBlob("team/other", "config");
  await putManifest("team/app", "v1", imageOf("config", []));
  await request("DELETE", "/v2/team/app/manifests/v1", asAlice);
  const actions = async (query: string) =>
    (await page(query)).events.map(({ action, repository }) => `${action} ${repository}`).sort();
  expect(await actions("?actor=alice")).toEqual(["delete-tag team/app"]);
  expect(await actions("?action=push-blob")).toEqual(["push-blob team/app", "push-blob team/other"]);
  expect(await actions("?action=push-blob&repository=team/app")).toEqual(["push-blob team/app"]);
  expect(await actions("?repository=team/app")).toHaveLength(4);
  expect(await actions("?repository=team/app&actor=alice&action=push-blob")).toEqual([]);
  expect(await actions("?repository=team")).toEqual([]);
  expect(await actions(`?since=${Date.now() + 1000}`)).toEqual([]);
  await env.DB.prepare("UPDATE audit_events SET at = 5 WHERE action <> 'delete-tag'").run();
  expect(await actions("?since=6")).toEqual(["delete-tag team/app"]);
  expect(await actions("?since=5&repository=team/app")).toHaveLength(4);
});

test("is for administrators, with a password", async () => {
  await addUser("alice", { admin: false, access: [{ repositories: ["**"], actions: ["pull"] }] });
  for (const [authorization, status] of [
    ["", 401],
    [basic("alice"), 403],
  ] as const) {
    const response = await request("GET", "/v2/_berth/audit", { headers: { Authorization: authorization } });
    expect(response.status).toBe(status);
    expect(await response.text()).not.toContain("events");
  }
});

test.each([
  "n=0",
  "n=-1",
  "n=x",
  "n=",
  "since=yesterday",
  "since=-1",
  "since=1e3",
  "last=x",
  "last=5.",
  "last=",
])("a query with %s is 400", async (query) => {
  const response = await request("GET", `/v2/_berth/audit?${query}`);
  expect([response.status, await codesOf(response)]).toEqual([400, ["UNSUPPORTED"]]);
});
