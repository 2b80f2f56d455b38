/** An object store that refuses the registry: clients are told so, and nothing is taken for lost. */

import { evictDurableObject } from "cloudflare:test";
import { beforeEach, expect, test, vi } from "vitest";
import { forgetAsked } from "../../src/routes/unavailable.ts";
import { finishBackground } from "../support/background.ts";
import { close, pullBlob, pushBlob, request, sha256, startUpload, textOf } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { moveBetween, onR2, STORES } from "../support/stores.ts";
import { stubOf } from "../support/upload-session.ts";

onR2();

const SECRET = "another-very-secret-key";
const BLOB = `/v2/a/blobs/${sha256("hello")}`;

async function setSecret(secret: Record<string, string>): Promise<void> {
  setVariables({ ...(await STORES.s3()), ...secret } as Record<string, string>);
}

beforeEach(async () => {
  await pushBlob("a", "hello");
  await setSecret({ STORE_SECRET_ACCESS_KEY: SECRET });
});

async function expectRefused(response: Response): Promise<void> {
  expect(response.status).toBe(503);
  expect(response.headers.get("Retry-After")).not.toBe(null);
  const text = await textOf(response);
  expect(text).toContain("refuses it (SignatureDoesNotMatch)");
  expect(text).not.toContain(SECRET);
}

test("a pull is 503 with the store's code, and the blob is there once the secret is right", async () => {
  await expectRefused(await request("GET", BLOB));
  expect((await request("HEAD", BLOB)).status).toBe(200);
  await setSecret({});
  expect(await pullBlob("a", sha256("hello"))).toBe("hello");
});

test("a push is 503 with it, in one request or in a session, which lives on", async () => {
  const path = `/v2/a/blobs/uploads/?digest=${sha256("new")}`;
  await expectRefused(await request("POST", path, { body: "new" }));
  const location = await startUpload("a");
  await expectRefused(await close(location, sha256("new"), { body: "new" }));
  await setSecret({});
  // As a deploy with another secret does.
  await evictDurableObject(stubOf(location));
  expect((await close(location, sha256("new"), { body: "new" })).status).toBe(201);
});

test.each(["new", "old"])(
  "the first request of an isolate has the log say so of the %s store, whatever it asks for",
  async (which) => {
    const wrong = { ...(await STORES.s3()), STORE_SECRET_ACCESS_KEY: SECRET };
    if (which === "old") setVariables(moveBetween(wrong, { STORE: "r2" }) as Record<string, string>);
    const log: string[] = [];
    for (const level of ["warn", "error"] as const)
      vi.spyOn(console, level).mockImplementation((line) => log.push(String(line)));
    forgetAsked();
    expect((await request("GET", "/v2/")).status).toBe(200);
    await finishBackground();
    vi.restoreAllMocks();
    expect(log.join("\n")).toContain("SignatureDoesNotMatch");
    expect(log.join("\n")).not.toContain(SECRET);
  },
);
