/** READ_REPLICAS: a replica may say what a digest is, and nothing else. */

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { breakAlways, healAll, recordCalls } from "../support/faults.ts";
import { pushImage } from "../support/images.ts";
import { setLag } from "../support/instrument.ts";
import { pullEverything } from "../support/pulls.ts";
import { request, textOf } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";

beforeEach(() => setVariables({ READ_REPLICAS: "true" }));

afterEach(() => {
  setLag(false);
  healAll();
});

async function askedWhile(work: () => Promise<unknown>): Promise<string[]> {
  const calls = recordCalls();
  await work();
  return calls.map(({ name }) => name).filter((name) => name !== "BUCKET.get");
}

async function get(reference: string, method = "GET"): Promise<number> {
  const response = await request(method, `/v2/a/manifests/${reference}`);
  await textOf(response);
  return response.status;
}

test("a manifest by its digest is the replica's to give", async () => {
  const digest = await pushImage("a", "latest", "config", []);
  await pullEverything();
  expect(await askedWhile(async () => expect(await get(digest)).toBe(200))).toEqual(["REPLICA.query"]);
});

test("a tag is asked of the primary, and so is what a push relies on", async () => {
  const digest = await pushImage("a", "latest", "config", []);
  await pullEverything();
  expect(await askedWhile(() => get("latest"))).toEqual(["DB.query"]);
  expect(await askedWhile(() => get(digest, "HEAD"))).toEqual(["DB.query"]);
  expect(await askedWhile(() => get("latest", "HEAD"))).toEqual(["DB.query"]);
});

test("what the replica has not heard of the primary is asked for", async () => {
  setLag(true);
  const digest = await pushImage("a", "latest", "config", []);
  await pullEverything();
  expect(
    await askedWhile(async () => {
      expect(await get(digest)).toBe(200);
      expect(await get(`sha256:${"0".repeat(64)}`)).toBe(404);
    }),
  ).toEqual(["REPLICA.query", "DB.query", "REPLICA.query", "DB.query"]);
});

test("that an object is gone is not noted before the primary has named it too", async () => {
  const digest = await pushImage("a", "latest", "config", []);
  await pullEverything();
  await env.DB.prepare("UPDATE manifests SET content = NULL, object_key = 'manifests/gone'").run();
  const calls = recordCalls();
  expect(await get(digest)).toBe(404);
  const asked = calls.flatMap(({ name, statements }) =>
    statements.map((sql) => `${name} ${sql.slice(0, 6)}`),
  );
  expect(asked.slice(0, 3)).toEqual(["REPLICA.query SELECT", "DB.query SELECT", "DB.query UPDATE"]);
});

test("a replica that fails is done without", async () => {
  const digest = await pushImage("a", "latest", "config", []);
  await pullEverything();
  breakAlways("REPLICA.query", "before");
  expect(await get(digest)).toBe(200);
});

test("without the setting no replica is asked", async () => {
  setVariables({ READ_REPLICAS: "false" });
  const digest = await pushImage("a", "latest", "config", []);
  await pullEverything();
  expect(await askedWhile(() => get(digest))).toEqual(["DB.query"]);
});
