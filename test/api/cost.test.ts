/** The table that bills are made of (src/cli/cost/operations.ts), step by step beside what the bindings count. */

import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, test, vi } from "vitest";
import {
  KEPT,
  NOTHING,
  type Operations,
  operationsOf,
  PART,
  type Step,
} from "../../src/cli/cost/operations.ts";
import { collectGarbage } from "../../src/gc/collect.ts";
import { PART_SIZE } from "../../src/storage/upload/state.ts";
import { finishBackground } from "../support/background.ts";
import { setDaysAhead } from "../support/clock.ts";
import { digestOfManifest, imageOf, pushImage } from "../support/images.ts";
import { instrument } from "../support/instrument.ts";
import { type Costs, measure } from "../support/meter.ts";
import {
  close,
  noise,
  patch,
  pushBlob,
  putManifest,
  request,
  sha256,
  startUpload,
  streamOf,
} from "../support/registry.ts";
import { withVariables } from "../support/settings.ts";
import { onR2 } from "../support/stores.ts";
import { stubOf } from "../support/upload-session.ts";

onR2();

afterEach(() => {
  vi.restoreAllMocks();
});

/** What Cloudflare bills of what was counted. */
function billed(costs: Costs): Operations {
  const r2 = (...methods: string[]) => methods.reduce((sum, method) => sum + (costs.r2[method] ?? 0), 0);
  return {
    requests: costs.requests,
    rowsRead: costs.rowsRead,
    rowsWritten: costs.rowsWritten,
    classA: r2("put", "createMultipartUpload", "uploadPart", "complete", "list"),
    classB: r2("get", "head"),
    objectRequests: costs.durableObjects + costs.alarms,
    objectRows: costs.durableRowsWritten,
    kvReads: costs.kvReads,
  };
}

async function operations(work: () => Promise<unknown>): Promise<Operations> {
  return billed(
    await measure(async () => {
      await work();
      await finishBackground();
    }),
  );
}

/** What each of `by` things more has cost. */
function each(more: Operations, fewer: Operations, by: number): Operations {
  return map((key) => (more[key] - fewer[key]) / by);
}

/** What is left without so many of these. */
function without(all: Operations, count: number, of: Operations): Operations {
  return map((key) => all[key] - count * of[key]);
}

function map(value: (key: keyof Operations) => number): Operations {
  const keys = Object.keys(NOTHING) as (keyof Operations)[];
  return Object.fromEntries(keys.map((key) => [key, value(key)])) as unknown as Operations;
}

function expectStep(step: Step, found: Operations): void {
  expect.soft({ step, ...map((key) => Math.round(found[key])) }).toEqual({ step, ...operationsOf(step) });
}

/** As docker does, until the session's memory ends. */
async function pushAsDocker(name: string, content: Uint8Array<ArrayBuffer>): Promise<void> {
  const location = await startUpload(name);
  await patch(location, streamOf([content]));
  expect((await close(location, sha256(content))).status).toBe(201);
  expect((await request("HEAD", `/v2/${name}/blobs/${sha256(content)}`)).status).toBe(200);
  setDaysAhead(1);
  expect(await runDurableObjectAlarm(stubOf(location))).toBe(true);
  setDaysAhead(0);
}

/** Of each size. */
const IMAGES = 20;

/** The days after which a run finds something: links and blobs, objects, records of these, and old events. */
const LATER = [2, 10, 11, 200];

async function collect(day: number): Promise<void> {
  setDaysAhead(day);
  const report = await collectGarbage(instrument(withVariables(env)), { dryRun: false });
  expect(report).toMatchObject({ outcome: "complete", error: null });
  setDaysAhead(0);
}

/** So many layers that nobody else has. */
function layersOf(image: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `layer ${index} of ${image}`);
}

test("a pull", async () => {
  const digest = await pushImage("a", "latest", "config", ["layer"]);
  const get = (path: string, init?: RequestInit) =>
    operations(async () => (await request("GET", path, init)).arrayBuffer());
  expectStep("challenge", await get("/v2/", { headers: { Authorization: "" } }));
  expectStep("headManifest", await operations(() => request("HEAD", "/v2/a/manifests/latest")));
  const first = await get(`/v2/a/manifests/${digest}`);
  const second = await get(`/v2/a/manifests/${digest}`);
  expectStep("pullManifest", second);
  expectStep("notePull", without(first, 1, second));
  expectStep("pullBlob", await get(`/v2/a/blobs/${sha256("layer")}`));
});

test("a push of a blob, small, large, and larger", async () => {
  expect(PART).toBe(PART_SIZE);
  await pushImage("a", "latest", "config", ["layer"]);
  expectStep("pushBlob", await operations(() => pushAsDocker("a", noise(1000))));
  const large = await operations(() => pushAsDocker("a", noise(1.5 * PART, 2)));
  const larger = await operations(() => pushAsDocker("a", noise(3.5 * PART, 3)));
  expectStep("pushLargeBlob", large);
  expectStep("pushPart", each(larger, large, 2));
});

test("a push of a manifest, by the blobs that it names", async () => {
  await pushImage("a", "latest", "config", ["layer"]);
  const push = async (tag: string, count: number) => {
    const layers = layersOf(tag, count);
    for (const content of [tag, ...layers]) await pushBlob("a", content);
    return operations(() => putManifest("a", tag, imageOf(tag, layers)));
  };
  const [few, many] = [await push("few", 1), await push("many", 9)];
  const reference = each(many, few, 8);
  expectStep("pushReference", reference);
  expectStep("pushManifest", without(few, 2, reference));
});

test("a collection that finds nothing, and its walk by objects that are old", async () => {
  await pushImage("a", "latest", "config", ["layer"]);
  await collect(0);
  const few = await operations(() => collect(7));
  for (let index = 0; index < 10; index++) {
    await pushImage("a", `more-${index}`, `config ${index}`, [`layer ${index}`]);
  }
  const many = await operations(() => collect(7));
  const object = each(many, few, 20);
  expectStep("walkObject", object);
  expectStep("collection", without(few, 2, object));
});

test("an image that is deleted, by the blobs that go with it", async () => {
  await pushImage("a", "latest", "config", ["layer"]);
  await collect(0);
  const remove = async (tag: string, count: number, day: number) => {
    const layers = layersOf(tag, count);
    await pushImage("a", tag, tag, layers);
    return operations(async () => {
      const path = `/v2/a/manifests/${digestOfManifest(imageOf(tag, layers))}`;
      expect((await request("DELETE", path)).status).toBe(202);
      for (const later of LATER) await collect(day + later);
    });
  };
  const few = await remove("few", 1, 0);
  const many = await remove("many", 9, 300);
  // Of the runs, what each costs that finds nothing, and the two objects of the image that stays.
  const idle = operationsOf("collection");
  const object = operationsOf("walkObject");
  const run = map((key) => idle[key] + 2 * object[key]);
  const blob = each(many, few, 8);
  expectStep("collectBlob", blob);
  expectStep("collectManifest", without(without(few, 2, blob), LATER.length, run));
});

test("what the database keeps of an image, by the blobs that it names", async () => {
  const size = async () => (await env.DB.prepare("SELECT 1").run()).meta.size_after;
  const grow = async (count: number) => {
    const before = await size();
    for (let image = 0; image < IMAGES; image++) {
      await pushImage(
        "a",
        `${count}-${image}`,
        `config ${count}-${image}`,
        layersOf(`${count}-${image}`, count),
      );
    }
    return ((await size()) - before) / IMAGES;
  };
  await pushImage("a", "latest", "config", ["layer"]);
  const [few, many] = [await grow(1), await grow(9)];
  const blob = (many - few) / 8;
  // SQLite grows by pages, so this is no exact number.
  const about = (bytes: number, kept: number) =>
    expect.soft(bytes / kept).toSatisfy((ratio: number) => ratio > 0.7 && ratio < 1.4);
  about(blob, KEPT.blob);
  about(few - 2 * blob + 2 * KEPT.blob, KEPT.manifest + 2 * KEPT.blob);
});
