/** A store over HTTP that refuses the registry, or is away: what it takes for what, and who is told what. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Unavailable } from "../../../src/storage/retry.ts";
import { bytesOf, sha256 } from "../../support/content.ts";
import { lacking, openWith, STORES, type StoreVariables } from "../../support/stores.ts";

const log: string[] = [];

beforeEach(() => {
  log.length = 0;
  for (const level of ["warn", "error"] as const) {
    vi.spyOn(console, level).mockImplementation((line) => log.push(String(line)));
  }
});
afterEach(() => vi.restoreAllMocks());

/** By which code each call is refused, and what it says. */
async function refusals(variables: StoreVariables): Promise<(string | null)[]> {
  const objects = openWith(variables);
  // Azure's begin without a call.
  const multipart = { key: "blobs/a", id: `${variables.STORE}:id` };
  const body = () => new Response("hello").body as ReadableStream<Uint8Array>;
  const calls: (() => Promise<unknown>)[] = [
    () => objects.putVerified("blobs/a", body(), 5, sha256("hello")),
    () => objects.put("blobs/a", "hello"),
    () => objects.get("blobs/a", null),
    () => objects.head("blobs/a"),
    () => objects.delete(["blobs/a"]),
    () => objects.delete(["blobs/a", "blobs/b"]),
    () => objects.list("blobs/", null, 10),
    () => objects.putPart(multipart, 1, bytesOf("hello")),
    () => objects.completeMultipart(multipart, [{ number: 1, etag: "etag" }]),
    () => objects.abortMultipart(multipart),
  ];
  const codes: (string | null)[] = [];
  for (const call of calls) {
    const error: unknown = await call().catch((thrown) => thrown);
    if (!(error instanceof Unavailable)) throw new Error(`not refused: ${call} ${error}`);
    codes.push(error.refusal);
    log.push(String(error.stack), String(error.cause));
  }
  return [...new Set(codes)];
}

describe.skipIf(lacking("azure") !== null)("azure (needs AZURITE_HOME)", () => {
  const WRONG = Buffer.from("another-very-secret-key").toString("base64");

  test("a wrong key is told by the store's own code, and never shown", async () => {
    const wrong = { STORE_SECRET_ACCESS_KEY: WRONG };
    expect(await refusals({ ...(await STORES.azure()), ...wrong })).toEqual(["AuthorizationFailure"]);
    expect(log.filter((line) => line.includes("store-refuses"))).toHaveLength(1);
    expect(log.join("\n")).not.toContain(WRONG);
  });

  test("a shared access signature goes along, and is shown to nobody", async () => {
    const { STORE_ACCESS_KEY_ID: _, STORE_SECRET_ACCESS_KEY: __, ...others } = await STORES.azure();
    const STORE_SAS = "?sv=2021-12-02&sr=c&sp=racwdl&se=2099-01-01T00:00:00Z&sig=bm90LXRoZS1yaWdodC1vbmU%3D";
    expect(await refusals({ ...others, STORE_SAS })).toEqual(["AuthorizationFailure"]);
    expect(log.join("\n")).not.toContain("bm90LXRoZS1yaWdodC1vbmU");
    const away = { STORE_URL: "http://127.0.0.1:1/account/berth" };
    await expect(openWith({ ...others, STORE_SAS, ...away }).head("blobs/a")).rejects.toThrow(Unavailable);
    expect(log.join("\n")).not.toContain("bm90LXRoZS1yaWdodC1vbmU");
  });

  test("a container that is not there is no blob that is not there", async () => {
    const { STORE_URL = "", ...others } = await STORES.azure();
    expect(await refusals({ ...others, STORE_URL: `${STORE_URL}x` })).toEqual(["ContainerNotFound"]);
  });
});

describe("s3", () => {
  const variables: () => Promise<StoreVariables> = STORES.s3;

  test("a wrong secret is told by the store's own code, and never shown", async () => {
    const wrong = { STORE_SECRET_ACCESS_KEY: "another-very-secret-key" };
    expect(await refusals({ ...(await variables()), ...wrong })).toEqual(["SignatureDoesNotMatch"]);
    expect(log.filter((line) => line.includes("store-refuses"))).toHaveLength(1);
    expect(log.join("\n")).not.toContain("another-very-secret-key");
  });

  test("a bucket that is not there is no object that is not there", async () => {
    const { STORE_URL = "", ...others } = await variables();
    const url = STORE_URL.replace(/berth$/, "elsewhere");
    expect(await refusals({ ...others, STORE_URL: url })).toEqual(["NoSuchBucket"]);
  });

  test("one that cannot be reached may come back: nobody has to be told", async () => {
    const away = { STORE_URL: "http://127.0.0.1:1/berth" };
    const objects = openWith({ ...(await variables()), ...away });
    for (const call of [() => objects.head("blobs/a"), () => objects.put("blobs/a", "hello")]) {
      await expect(call()).rejects.toMatchObject({ name: "Unavailable", refusal: null });
    }
    const body = new Response("hello").body as ReadableStream<Uint8Array>;
    expect(await objects.putVerified("blobs/a", body, 5, sha256("hello"))).toBe("interrupted");
    expect(log.join("\n")).not.toContain("store-refuses");
  });
});
