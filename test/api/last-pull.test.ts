/** When what was last pulled: noted behind the answer, once a day, and of no consequence to anything else. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { RepositoryName } from "../../src/oci/reference.ts";
import { notePull } from "../../src/storage/pulls.ts";
import { mainStores } from "../../src/storage/stores.ts";
import { age, collected, expectSound } from "../gc/support.ts";
import { finishBackground } from "../support/background.ts";
import { setDaysAhead } from "../support/clock.ts";
import { breakAlways, healAll } from "../support/faults.ts";
import { pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { request, textOf } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";

async function pull(
  path = "/v2/a/manifests/latest",
  init: RequestInit = {},
  method = "GET",
): Promise<number> {
  const response = await request(method, path, init);
  await textOf(response);
  await finishBackground();
  return response.status;
}

async function pulledAt(table: "manifests" | "repositories" = "manifests"): Promise<(number | null)[]> {
  const { results } = await env.DB.prepare(`SELECT pulled_at FROM ${table} ORDER BY id`).all<{
    pulled_at: number | null;
  }>();
  return results.map(({ pulled_at }) => pulled_at);
}

describe("a pull", () => {
  test("is noted of the manifest that was pulled, and of its repository", async () => {
    await pushImage("a", "latest", "config", []);
    await pushImage("a", "other", "config", ["layer"]);
    expect(await pulledAt()).toEqual([null, null]);
    const before = Date.now();
    expect(await pull()).toBe(200);
    const [at, other] = await pulledAt();
    expect(at).toBeGreaterThanOrEqual(before);
    expect([other, await pulledAt("repositories")]).toEqual([null, [at]]);
  });

  test("writes two rows and an entry of an index, and the next one of that day none", async () => {
    const digest = await pushImage("a", "latest", "config", []);
    expect(await measure(() => pull())).toMatchObject({ queries: 2, rowsWritten: 3 });
    for (const reference of ["latest", digest])
      expect(await measure(() => pull(`/v2/a/manifests/${reference}`))).toMatchObject({
        ...{ queries: 1, rowsWritten: 0 },
      });
    setDaysAhead(1.1);
    const later = await measure(() => pull()).finally(() => setDaysAhead(0));
    expect(later).toMatchObject({ rowsWritten: 3 });
  });

  test("that others have noted meanwhile is written once", async () => {
    const digest = await pushImage("a", "latest", "config", []);
    await pull();
    const { db } = mainStores(env);
    const costs = await env.DB.prepare("SELECT pulled_at FROM manifests").first<{ pulled_at: number }>();
    await notePull(db, "a" as RepositoryName, digest, Date.now() + 1000);
    expect(await pulledAt()).toEqual([costs?.pulled_at]);
  });

  test("by who has the manifest already is one as well; a HEAD, and what is refused, is none", async () => {
    const digest = await pushImage("a", "latest", "config", []);
    expect(await pull("/v2/a/manifests/latest", {}, "HEAD")).toBe(200);
    expect(await pull("/v2/a/manifests/latest", { headers: { Authorization: "" } })).toBe(401);
    expect(await pull("/v2/a/manifests/none")).toBe(404);
    expect(await pulledAt()).toEqual([null]);
    expect(await pull("/v2/a/manifests/latest", { headers: { "If-None-Match": `"${digest}"` } })).toBe(304);
    expect(await pulledAt()).toEqual([expect.any(Number)]);
  });

  test("is answered also when it cannot be noted", async () => {
    await pushImage("a", "latest", "config", [], { padding: "x".repeat(1_100_000) });
    await pull();
    setDaysAhead(2);
    const response = await request("GET", "/v2/a/manifests/latest");
    breakAlways("DB.query", "before");
    expect((await textOf(response)).length).toBeGreaterThan(1_100_000);
    await finishBackground();
    healAll();
    setDaysAhead(0);
  });

  test("is not noted while the registry is read-only", async () => {
    await pushImage("a", "latest", "config", []);
    setVariables({ READ_ONLY: "we move" });
    expect(await measure(() => pull())).toMatchObject({ queries: 1, rowsWritten: 0 });
    expect(await pulledAt()).toEqual([null]);
  });

  test("keeps nothing from being collected, and changes no sum", async () => {
    const digest = await pushImage("a", null, "config", ["layer"]);
    setVariables({ UNTAGGED_MANIFESTS: "1d" });
    await age(3);
    await pull(`/v2/a/manifests/${digest}`);
    await expectSound();
    expect(await collected()).toMatchObject({ manifests: 1 });
    await expectSound();
  });
});

test("the usage tells of it", async () => {
  await pushImage("a", "latest", "config", []);
  await pull();
  // A page is of one database.
  const found: unknown[] = [];
  let page = "";
  do {
    const answer = await (await request("GET", `/v2/_berth/usage?n=100${page}`)).json();
    const { repositories, next } = answer as { repositories: unknown[]; next: string | null };
    found.push(...repositories);
    page = next === null ? "" : `&last=${encodeURIComponent(next)}`;
  } while (page !== "");
  expect(found).toMatchObject([{ repository: "a", pulledAt: (await pulledAt())[0] }]);
});
