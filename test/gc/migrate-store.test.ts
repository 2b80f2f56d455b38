/** migrate-store: objects move from one store to another while people push and pull, and nothing is lost. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { openMove } from "../../src/storage/objects/open.ts";
import type { MovePage } from "../../src/storage/scrub/move.ts";
import { movePage } from "../../src/storage/scrub/move.ts";
import { mainStores } from "../../src/storage/stores.ts";
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
import { setVariables, withVariables } from "../support/settings.ts";
import { movingBack, STORES } from "../support/stores.ts";
import { addUser, basic } from "../support/users.ts";
import { age, collected, expectSound, sweep } from "./support.ts";

const PADDING = { padding: "x".repeat(1_000_001) };
const LARGE = JSON.stringify(imageOf("config", ["layer"], PADDING));

beforeEach(async () => {
  // What was there before the move.
  await pushImage("a", "latest", "config", ["layer"], PADDING);
  await pushBlob("a", "loose");
  setVariables(await STORES.moving());
});

async function keysIn(bucket: R2Bucket): Promise<string[]> {
  return (await bucket.list()).objects.map(({ key }) => key).filter((key) => !key.startsWith("registry/"));
}

async function keyOf(content: string): Promise<string> {
  const row = env.DB.prepare("SELECT object_key FROM blobs WHERE digest = ?1").bind(sha256(content));
  return (await row.first<string>("object_key")) ?? "";
}

function page(after: string | null = null): Promise<Response> {
  return request("POST", `/v2/_berth/migrate-store${after === null ? "" : `?after=${after}`}`);
}

/** All pages. @returns what they found together */
async function moveAll(): Promise<Pick<MovePage, "moved" | "checked" | "missing" | "quarantined">> {
  const all: Pick<MovePage, "moved" | "checked" | "missing" | "quarantined"> = {
    moved: 0,
    checked: 0,
    missing: [],
    quarantined: [],
  };
  for (let after: string | null = null; ; ) {
    const response = await page(after);
    if (response.status !== 200) throw new Error(`answered ${response.status}: ${await textOf(response)}`);
    const one = (await response.json()) as MovePage;
    all.moved += one.moved;
    all.checked += one.checked;
    all.missing.push(...one.missing);
    all.quarantined.push(...one.quarantined);
    if (one.next === null) return all;
    after = one.next;
  }
}

function getBlob(digest: string): Promise<Response> {
  return request("GET", `/v2/a/blobs/${digest}`);
}

async function expectAllPulls(): Promise<void> {
  expect(await textOf(await request("GET", "/v2/a/manifests/latest"))).toBe(LARGE);
  for (const content of ["config", "layer", "loose"]) {
    expect(await textOf(await getBlob(sha256(content)))).toBe(content);
  }
}

/** Without the old store, as after the move. */
async function leaveOldStore(): Promise<void> {
  setVariables({ ...(await STORES.moving()), STORE_FALLBACK: "" } as Record<string, string>);
}

describe("a move", () => {
  test("copies what rows name, once, and leaves the old store as it is", async () => {
    const before = await keysIn(env.BUCKET);
    expect(await moveAll()).toEqual({ moved: 4, checked: 4, missing: [], quarantined: [] });
    expect(await keysIn(env.OTHER)).toEqual(before);
    expect(await keysIn(env.BUCKET)).toEqual(before);
    expect((await moveAll()).moved).toBe(0);
    await leaveOldStore();
    await expectAllPulls();
    await expectSound();
  });

  test("is invisible: old bytes are read where they are, new ones go to the new store alone", async () => {
    await expectAllPulls();
    await pushBlob("a", "new");
    expect(await keysIn(env.OTHER)).toEqual([await keyOf("new")]);
    expect(await env.BUCKET.head(await keyOf("new"))).toBe(null);
    expect(await textOf(await getBlob(sha256("new")))).toBe("new");
    // A duplicate is found in the old store.
    await pushBlob("b", "loose");
    expect(await env.BUCKET.head(await keyOf("loose"))).not.toBe(null);
    await expectAllPulls();
  });

  test("and a collection beside it: what is given up goes from both", async () => {
    await moveAll();
    const key = await keyOf("loose");
    await request("DELETE", `/v2/a/blobs/${sha256("loose")}`);
    await age(3);
    await collected();
    await sweep();
    for (const bucket of [env.BUCKET, env.OTHER]) expect(await bucket.head(key)).toBe(null);
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
    setVariables({});
    await pushBlob("a", content);
    setVariables(await STORES.moving());
    const variables = withVariables(env);
    const moving = openMove(variables);
    if (moving === null) throw new Error("nothing moves");
    Object.assign(moving.to, { can: { ...moving.to.can, maxPut: 1024 } });
    expect((await movePage(mainStores(variables), moving, null)).moved).toBe(4);
    await leaveOldStore();
    expect(sha256(new Uint8Array(await (await getBlob(sha256(content))).arrayBuffer()))).toBe(
      sha256(content),
    );
  });

  test("leaves what is wrong behind, put aside", async () => {
    const key = await keyOf("layer");
    await env.BUCKET.put(key, "other");
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
    await env.BUCKET.delete(await keyOf("layer"));
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

  test("finds, at its next pass, what an upload left in the old store that had begun there", async () => {
    setVariables({});
    const content = noise(9 * 1024 * 1024, 3);
    const location = await startUpload("a");
    await patch(location, content);
    setVariables(await STORES.moving());
    await moveAll();
    expect((await close(location, sha256(content))).status).toBe(201);
    expect((await moveAll()).moved).toBeLessThanOrEqual(1);
    await leaveOldStore();
    expect((await getBlob(sha256(content))).status).toBe(200);
  });

  test("goes back the same way", async () => {
    await moveAll();
    await pushBlob("a", "new");
    setVariables(await movingBack());
    expect((await moveAll()).moved).toBe(1);
    setVariables({ STORE: "r2" });
    await expectAllPulls();
    expect(await textOf(await getBlob(sha256("new")))).toBe("new");
  });
});

describe("a move is refused", () => {
  test("where there is no store to move from", async () => {
    await leaveOldStore();
    const response = await page();
    expect([response.status, await codesOf(response)]).toEqual([409, ["UNSUPPORTED"]]);
  });

  test("where the new store is another registry's", async () => {
    await env.OTHER.put("registry/identity", "another");
    const response = await page();
    expect(response.status).toBe(409);
    expect(await textOf(response)).toContain("belongs to the registry another");
    expect(await keysIn(env.OTHER)).toEqual([]);
  });

  test("to all but administrators", async () => {
    await addUser("bob", { access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }] });
    const headers = { Authorization: basic("bob") };
    expect((await request("POST", "/v2/_berth/migrate-store", { headers })).status).toBe(403);
  });

  test.each(["x", "objects:blobs/", "damage:1"])("at %s, which no page has named", async (after) => {
    expect((await page(after)).status).toBe(400);
  });
});
