/** migrate-store: objects move from one store to another while people push and pull, and nothing is lost. */

import { abortAllDurableObjects } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { forgetMigrated } from "../../src/routes/unavailable.ts";
import { openMove } from "../../src/storage/objects/open.ts";
import type { MovePage } from "../../src/storage/scrub/move.ts";
import { movePage, parseMoveCursor } from "../../src/storage/scrub/move.ts";
import { mainStores } from "../../src/storage/stores.ts";
import { bucket } from "../support/bucket.ts";
import { breakAll, healAll, interleave } from "../support/faults.ts";
import { imageOf, pushImage } from "../support/images.ts";
import {
  close,
  codesOf,
  noise,
  patch,
  pushBlob,
  request,
  sha256,
  startUpload,
  textOf,
} from "../support/registry.ts";
import { baseVariables, setVariables, withVariables } from "../support/settings.ts";
import { moveBetween, otherStore, type StoreVariables } from "../support/stores.ts";
import { addUser, basic } from "../support/users.ts";
import { age, collected, expectSound, objectKeys, sweep } from "./support.ts";

const PADDING = { padding: "x".repeat(1_000_001) };
const LARGE = JSON.stringify(imageOf("config", ["layer"], PADDING));

beforeEach(async () => {
  // What was there before the move.
  await pushImage("a", "latest", "config", ["layer"], PADDING);
  await pushBlob("a", "loose");
  // What may never have been noted: each test begins as a registry does that knows of no store yet.
  await env.DB.prepare("UPDATE registry SET store = NULL, old_store = NULL").run();
  await use(from());
  await use(toOther());
});

/** The store that this run is on, which is the old one here. */
function from(): StoreVariables {
  return { ...baseVariables(), STORE_FALLBACK: "" };
}

async function toOther(): Promise<StoreVariables> {
  return moveBetween(baseVariables(), await otherStore());
}

/** Deploys with these settings. */
async function use(variables: StoreVariables | Promise<StoreVariables>): Promise<void> {
  // Long ago, so that no older version is at work any more.
  const version = { VERSION: { id: "", tag: "", timestamp: "" } };
  setVariables({ ...version, STORE_FALLBACK: "", ...(await variables) } as never);
  forgetMigrated();
  // A deploy begins them anew, with its own settings.
  await abortAllDurableObjects();
  await request("GET", "/v2/");
}

/** Of the new store. */
async function keysInOther(): Promise<string[]> {
  const { objects } = await env.OTHER.list();
  return objects.map(({ key }) => key).filter((key) => !key.startsWith("registry/"));
}

interface Standing {
  store: string;
  old: string[];
  outOfReach: string[];
}

async function standing(): Promise<Standing> {
  const status = await request("GET", "/v2/_berth/status");
  return ((await status.json()) as { objects: Standing }).objects;
}

async function keyOf(content: string): Promise<string> {
  const row = env.DB.prepare("SELECT object_key FROM blobs WHERE digest = ?1").bind(sha256(content));
  return (await row.first<string>("object_key")) ?? "";
}

function page(after: string | null = null): Promise<Response> {
  return request("POST", `/v2/_berth/migrate-store${after === null ? "" : `?after=${after}`}`);
}

type Moved = Pick<MovePage, "moved" | "checked" | "missing" | "quarantined" | "done">;

/** All pages. @returns what they found together */
async function moveAll(): Promise<Moved> {
  const all: Moved = { moved: 0, checked: 0, missing: [], quarantined: [], done: false };
  for (let after: string | null = null; ; ) {
    const response = await page(after);
    if (response.status !== 200) throw new Error(`answered ${response.status}: ${await textOf(response)}`);
    const one = (await response.json()) as MovePage;
    all.moved += one.moved;
    all.checked += one.checked;
    all.missing.push(...one.missing);
    all.quarantined.push(...one.quarantined);
    all.done = one.done;
    if (one.next === null) return all;
    after = one.next;
  }
}

function getBlob(digest: string, name = "a"): Promise<Response> {
  return request("GET", `/v2/${name}/blobs/${digest}`);
}

async function expectAllPulls(): Promise<void> {
  expect(await textOf(await request("GET", "/v2/a/manifests/latest"))).toBe(LARGE);
  for (const content of ["config", "layer", "loose"]) {
    expect(await textOf(await getBlob(sha256(content)))).toBe(content);
  }
}

/** Without the old store, as after the move. */
async function leaveOldStore(): Promise<void> {
  await use(otherStore());
}

describe("a move", () => {
  test("copies what rows name, once, and leaves the old store as it is", async () => {
    const before = await objectKeys();
    expect(await moveAll()).toEqual({ moved: 4, checked: 4, missing: [], quarantined: [], done: true });
    expect(await keysInOther()).toEqual(before);
    expect(await objectKeys()).toEqual(before);
    expect((await moveAll()).moved).toBe(0);
    await leaveOldStore();
    await expectAllPulls();
    await expectSound();
  });

  test("is invisible: old bytes are read where they are, new ones go to the new store alone", async () => {
    await expectAllPulls();
    await pushBlob("a", "new");
    expect(await keysInOther()).toEqual([await keyOf("new")]);
    expect(await bucket.head(await keyOf("new"))).toBe(null);
    expect(await textOf(await getBlob(sha256("new")))).toBe("new");
    // A duplicate is found in the old store.
    await pushBlob("b", "loose");
    expect(await bucket.head(await keyOf("loose"))).not.toBe(null);
    await expectAllPulls();
  });

  test("and a collection beside it: what is given up goes from both", async () => {
    await moveAll();
    const key = await keyOf("loose");
    await request("DELETE", `/v2/a/blobs/${sha256("loose")}`);
    await age(3);
    await collected();
    await sweep();
    for (const one of [bucket, env.OTHER]) expect(await one.head(key)).toBe(null);
    await expectSound();
  });

  test("goes on behind a store that failed, whichever it was", async () => {
    for (const call of ["BUCKET.put", "BUCKET.get", "BUCKET.head"]) {
      breakAll(call, "before");
      expect((await page()).status).toBe(503);
      healAll();
    }
    breakAll("BUCKET.put", "after");
    expect((await page()).status).toBe(503);
    healAll();
    // What is there by now, with its answer lost, is not copied again.
    const { moved, checked } = await moveAll();
    expect(moved).toBeLessThan(4);
    expect(checked).toBe(4);
    await leaveOldStore();
    await expectAllPulls();
  });

  test("of an object that is copied in parts is as good", async () => {
    const content = noise(40 * 1024 * 1024, 5);
    await use(from());
    await pushBlob("a", content);
    await use(toOther());
    const variables = withVariables(env);
    const moving = openMove(variables);
    if (moving === null) throw new Error("nothing moves");
    Object.assign(moving.to, { can: { ...moving.to.can, maxPut: 1024 } });
    expect((await movePage(mainStores(variables), moving, null, 0)).moved).toBe(4);
    await leaveOldStore();
    expect(sha256(new Uint8Array(await (await getBlob(sha256(content))).arrayBuffer()))).toBe(
      sha256(content),
    );
  });

  test("leaves what is wrong behind, put aside", async () => {
    const key = await keyOf("layer");
    await bucket.put(key, "other");
    const { moved, quarantined } = await moveAll();
    expect(moved).toBe(3);
    expect(quarantined).toMatchObject([{ kind: "blob", digest: sha256("layer"), objectKey: key }]);
    expect(await env.OTHER.head(key)).toBe(null);
    expect((await getBlob(sha256("layer"))).status).toBe(404);
    await pushBlob("a", "layer");
    await leaveOldStore();
    await expectAllPulls();
  });

  test("marks what is in neither as missing", async () => {
    await bucket.delete(await keyOf("layer"));
    expect(await moveAll()).toMatchObject({ moved: 3, missing: [{ kind: "blob", digest: sha256("layer") }] });
    expect((await getBlob(sha256("layer"))).status).toBe(404);
  });

  test("of what is deleted and collected meanwhile leaves nothing that a row would miss", async () => {
    interleave("BUCKET.put", async () => {
      await request("DELETE", `/v2/a/blobs/${sha256("loose")}`);
      await age(3);
      await collected();
      await sweep();
    });
    const { missing, quarantined } = await moveAll();
    expect([missing, quarantined]).toEqual([[], []]);
    await leaveOldStore();
    expect(await textOf(await getBlob(sha256("layer")))).toBe("layer");
    await expectSound();
  });

  test("goes back the same way", async () => {
    await moveAll();
    await pushBlob("a", "new");
    await use(moveBetween(await otherStore(), from()));
    expect(await standing()).toMatchObject({ old: [expect.any(String)], outOfReach: [] });
    expect(await moveAll()).toMatchObject({ moved: 1, done: true });
    await use(from());
    await expectAllPulls();
    expect(await textOf(await getBlob(sha256("new")))).toBe("new");
    expect(await standing()).toMatchObject({ old: [], outOfReach: [] });
  });

  test("turned round in its middle, run twice at once, with pushes and collections beside it, loses nothing", async () => {
    const pushed: string[] = [];
    const push = async (content: string) => {
      await pushImage("b", content.replaceAll(" ", "-"), `config ${content}`, [content]);
      pushed.push(content);
    };
    // One object, and then somebody thinks better of it.
    expect((await oneObject(null)).moved).toBe(1);
    await push("into the new one");
    await use(moveBetween(await otherStore(), from()));
    await push("into the old one again");
    const [one, other] = await Promise.all([moveAll(), moveAll(), push("meanwhile"), collected()]);
    expect([one.missing, one.quarantined, other.missing, other.quarantined]).toEqual([[], [], [], []]);
    // Of two passes the one that began last counts.
    expect(one.done || other.done).toBe(true);
    await use(from());
    expect(await standing()).toMatchObject({ old: [], outOfReach: [] });
    await expectAllPulls();
    for (const content of pushed) expect(await textOf(await getBlob(sha256(content), "b"))).toBe(content);
    await expectSound();
  });
});

/** A page of one object. */
async function oneObject(after: string | null): Promise<MovePage> {
  const variables = withVariables(env);
  const moving = openMove(variables);
  if (moving === null) throw new Error("nothing moves");
  const cursor = after === null ? null : parseMoveCursor(after);
  const limits = { items: 1, lists: 1, bytes: 1, duration: 60_000 };
  return movePage(mainStores(variables), moving, cursor, 0, limits);
}

describe("an upload that ends in the old store, as it began there", () => {
  const content = noise(9 * 1024 * 1024, 3);
  let location = "";

  beforeEach(async () => {
    await use(from());
    location = await startUpload("a");
    await patch(location, content);
    await use(toOther());
  });

  async function expectThere(): Promise<void> {
    const response = await getBlob(sha256(content));
    expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(content));
  }

  test("is taken along by a pass that begins behind it", async () => {
    expect((await close(location, sha256(content))).status).toBe(201);
    expect(await moveAll()).toMatchObject({ moved: 5, done: true });
    await use(otherStore());
    await expectThere();
  });

  test("behind a pass is told, also where the old store is taken away, and the next pass takes it along", async () => {
    expect(await moveAll()).toMatchObject({ moved: 4, done: true });
    expect((await standing()).old).toEqual([]);
    expect((await close(location, sha256(content))).status).toBe(201);
    const { old } = await standing();
    expect(old).toHaveLength(1);
    await use(otherStore());
    expect(await standing()).toMatchObject({ old, outOfReach: old });
    expect(await textOf(await request("GET", "/metrics"))).toContain("\nberth_stores_out_of_reach 1\n");
    expect((await getBlob(sha256(content))).status).toBe(404);
    await use(toOther());
    expect(await moveAll()).toMatchObject({ moved: 1, done: true });
    await use(otherStore());
    await expectThere();
  });

  test("while a pass runs keeps that from being the last", async () => {
    const first = await oneObject(null);
    expect((await close(location, sha256(content))).status).toBe(201);
    let last = first;
    while (last.next !== null) last = await oneObject(last.next);
    expect([last.done, last.again]).toEqual([false, null]);
    expect((await moveAll()).done).toBe(true);
    await use(otherStore());
    await expectThere();
  });

  test("never ends where the old store is gone by then: its client begins another one", async () => {
    await moveAll();
    await use(otherStore());
    expect((await close(location, sha256(content))).status).toBe(404);
    expect(await standing()).toMatchObject({ old: [], outOfReach: [] });
  });
});

describe("a store that is left with objects in it", () => {
  const log: string[] = [];
  beforeEach(() => {
    log.length = 0;
    vi.spyOn(console, "error").mockImplementation((line) => log.push(String(line)));
  });
  afterEach(() => vi.restoreAllMocks());

  const told = () => log.filter((line) => line.includes("objects-out-of-reach"));

  test("before all is moved is in the log and in the status, and a move tells it as well", async () => {
    await oneObject(null);
    expect(told()).toEqual([]);
    await use(otherStore());
    expect(told()).toHaveLength(1);
    expect((await standing()).outOfReach).toHaveLength(1);
    const elsewhere = { ...(await otherStore()), STORE_URL: "https://s3.test/third" };
    await use(moveBetween(await otherStore(), elsewhere));
    expect(await textOf(await page())).toContain("which neither STORE nor STORE_FALLBACK names");
    await use(toOther());
    expect((await standing()).outOfReach).toEqual([]);
  });

  test("without a move at all is told too, until an administrator says that it is meant", async () => {
    await env.DB.prepare("UPDATE registry SET old_store = NULL, store = NULL").run();
    await use(from());
    await use(otherStore());
    expect(told()).toHaveLength(1);
    const accepted = await request("POST", "/v2/_berth/migrate-store?accept=true");
    expect([accepted.status, await accepted.json()]).toEqual([200, { accepted: true }]);
    expect(await standing()).toMatchObject({ old: [], outOfReach: [] });
    await use(otherStore());
    expect(told()).toHaveLength(1);
  });

  test("just after a deploy may still get something: no pass counts that began then", async () => {
    const variables = withVariables(env);
    const moving = openMove(variables);
    if (moving === null) throw new Error("nothing moves");
    const sure = Date.now() + 60_000;
    let last = await movePage(mainStores(variables), moving, null, sure);
    while (last.next !== null)
      last = await movePage(mainStores(variables), moving, parseMoveCursor(last.next), sure);
    expect([last.done, last.again]).toEqual([false, sure]);
    expect((await standing()).old).toHaveLength(1);
  });
});

describe("a move is refused", () => {
  test("where there is no store to move from", async () => {
    await leaveOldStore();
    const response = await page();
    expect([response.status, await codesOf(response)]).toEqual([409, ["UNSUPPORTED"]]);
  });

  test("where the settings have another store for the new one than the caller", async () => {
    const response = await request("POST", "/v2/_berth/migrate-store?to=azure");
    expect([response.status, await textOf(response)]).toEqual([409, expect.stringContaining("STORE is s3")]);
    expect(await keysInOther()).toEqual([]);
    expect((await request("POST", "/v2/_berth/migrate-store?to=s3")).status).toBe(200);
  });

  test("where the new store is another registry's", async () => {
    await env.OTHER.put("registry/identity", "another");
    const response = await page();
    expect(response.status).toBe(409);
    expect(await textOf(response)).toContain("belongs to the registry another");
    expect(await keysInOther()).toEqual([]);
  });

  test("to all but administrators", async () => {
    await addUser("bob", { access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }] });
    const headers = { Authorization: basic("bob") };
    expect((await request("POST", "/v2/_berth/migrate-store", { headers })).status).toBe(403);
  });

  test.each(["x", "blobs:", "lvq3x8ab-9f2c:objects:blobs/", "lvq3x8ab-9f2c:damage:1", "x:blobs:"])(
    "at %s, which no page has named",
    async (after) => {
      expect((await page(after)).status).toBe(400);
    },
  );
});
