/** How many upload sessions may be open: of a user, and of all. */

import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { collect } from "../gc/support.ts";
import { setDaysAhead } from "../support/clock.ts";
import { breakAlways, breakNext, healAll } from "../support/faults.ts";
import { codesOf, patch, pushBlob, request, sha256, startUpload, streamOf } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser, basic } from "../support/users.ts";

const START = "/v2/a/blobs/uploads/";
const BOB = { headers: { Authorization: basic("bob") } };

afterEach(() => setDaysAhead(0));

async function opened(): Promise<number> {
  return (await env.DB.prepare("SELECT 1 FROM open_uploads").all()).results.length;
}

describe("one user", () => {
  test("may have so many uploads open, and is told so at the next one", async () => {
    setVariables({ MAX_UPLOADS_PER_USER: "2" });
    const first = await startUpload("a");
    await startUpload("b");
    const refused = await request("POST", START);
    expect([refused.status, await codesOf(refused)]).toEqual([429, ["TOOMANYREQUESTS"]]);
    expect(refused.headers.get("Retry-After")).toBe("60");
    expect((await request("DELETE", first)).status).toBe(204);
    expect((await request("POST", START)).status).toBe(202);
  });

  test("does not hold up another one", async () => {
    await addUser("bob");
    setVariables({ MAX_UPLOADS_PER_USER: "1" });
    await startUpload("a");
    expect((await request("POST", START)).status).toBe(429);
    expect((await request("POST", START, BOB)).status).toBe(202);
    expect((await request("POST", START, BOB)).status).toBe(429);
  });

  test("has no session left by a refused start, nor by one of two at once", async () => {
    setVariables({ MAX_UPLOADS_PER_USER: "1" });
    const both = await Promise.all([request("POST", START), request("POST", START)]);
    expect(both.map(({ status }) => status).sort()).toEqual([202, 429]);
    expect(await opened()).toBe(1);
  });
});

test("a session that is kept in use counts for as long as it lives", async () => {
  setVariables({ MAX_UPLOADS_PER_USER: "1", UPLOAD_EXPIRY: "40h" });
  const location = await startUpload("a");
  for (const days of [1, 2, 3]) {
    setDaysAhead(days);
    expect((await request("GET", location)).status).toBe(204);
    await collect();
    expect((await request("POST", START)).status).toBe(429);
  }
  expect(await opened()).toBe(1);
  await request("DELETE", location);
  expect((await request("POST", START)).status).toBe(202);
});

test("a session that cannot be counted anew is used all the same, and counted the next time", async () => {
  setVariables({ UPLOAD_EXPIRY: "40h" });
  const location = await startUpload("a");
  await env.DB.prepare("DELETE FROM open_uploads").run();
  setDaysAhead(1);
  breakAlways("DB.query", "before");
  await request("PATCH", location, { body: "hello" });
  healAll();
  expect(await opened()).toBe(0);
  expect((await request("GET", location)).headers.get("Range")).toBe("0-4");
  expect(await opened()).toBe(1);
});

test("all users together may have so many", async () => {
  await addUser("bob");
  setVariables({ MAX_UPLOADS: "2" });
  await startUpload("a");
  await startUpload("a");
  const refused = await request("POST", START, BOB);
  expect(refused.status).toBe(429);
  expect(await refused.text()).toContain("this registry has 2 uploads open");
});

describe("a session counts no more", () => {
  test("once its blob is committed, by PUT or in chunks, or its bytes were others", async () => {
    await pushBlob("a", "one");
    const chunked = await startUpload("a");
    await patch(chunked, streamOf([Uint8Array.from(Buffer.from("two"))]));
    expect(await opened()).toBe(1);
    expect((await request("PUT", `${chunked}?digest=${sha256("two")}`)).status).toBe(201);
    const wrong = await startUpload("a");
    expect((await request("PUT", `${wrong}?digest=${sha256("three")}`, { body: "four" })).status).toBe(400);
    expect(await opened()).toBe(0);
  });

  test("once it has expired, or its time is over whatever became of it", async () => {
    setVariables({ MAX_UPLOADS_PER_USER: "1" });
    const expiring = await startUpload("a");
    setDaysAhead(2);
    await runDurableObjectAlarm(
      env.UPLOADS.get(env.UPLOADS.idFromName(expiring.split("/").at(-1) as string)),
    );
    expect(await opened()).toBe(0);
    await startUpload("a");
    setDaysAhead(4);
    await startUpload("a");
    expect(await opened()).toBe(2);
    await collect();
    expect(await opened()).toBe(1);
  });
});

describe("a failing store", () => {
  test("answers 503, and the repeat begins", async () => {
    breakAlways("DB.batch", "before");
    expect((await request("POST", START)).status).toBe(503);
    healAll();
    expect((await request("POST", START)).status).toBe(202);
  });

  test("with the answer lost counts the session once", async () => {
    setVariables({ MAX_UPLOADS_PER_USER: "1" });
    breakNext("DB.batch", "after");
    expect((await request("POST", START)).status).toBe(202);
    expect(await opened()).toBe(1);
  });

  test("of a cancelled upload drops it all the same, and a lost answer is a success", async () => {
    const location = await startUpload("a");
    breakNext("UPLOADS.cancel", "after");
    expect((await request("DELETE", location)).status).toBe(204);
    expect(await opened()).toBe(0);
    expect((await request("DELETE", location)).status).toBe(404);
  });
});
