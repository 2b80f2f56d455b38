import { describe, expect, test } from "vitest";
import { measure } from "../support/meter.ts";
import { close, noise, patch, pushBlob, request, sha256, startUpload } from "../support/registry.ts";

describe("x", () => {
  test("works", async () => {
    const content = noise(20_000_000);
    const cost = await measure(async () => {
      const location = await startUpload("a/b");
      expect((await patch(location, content)).status).toBe(202);
      expect((await close(location, sha256(content))).status).toBe(201);
    });
    console.log(cost);
    console.log(await measure(() => pushBlob("a/b", "hello")));
    const got = await request("GET", `/v2/a/b/blobs/${sha256(content)}`);
    expect(sha256(new Uint8Array(await got.arrayBuffer()))).toBe(sha256(content));
  });
});
