/** The client of Cloudflare's API, with what the API says seldom: many pages, too many requests, nothing at all. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CloudflareApi, CloudflareRefusal } from "../../src/cli/cloudflare/api.ts";
import { json, ScriptedServer } from "./support/scripted-server.ts";

let server: ScriptedServer;
let api: CloudflareApi;
beforeEach(async () => {
  server = await new ScriptedServer().listen();
  api = new CloudflareApi({
    api: `${server.origin}/v4`,
    headers: { Authorization: "Bearer t" },
    account: "a",
  });
});
afterEach(() => server.close());

const asked = () => server.asked.map(({ method, url }) => `${method} ${url}`);

/** Answers in turn, the last one for ever. */
function answers(...each: [status: number, body: unknown, headers?: Record<string, string>][]): void {
  server.reply = (_, response) => {
    const [status, body, headers] = (each.length > 1 ? each.shift() : each[0]) ?? [500, null];
    if (typeof body === "string") response.writeHead(status, headers).end(body);
    else json(response, status, body, headers);
  };
}

const ok = (result: unknown, cursor = "") => ({ success: true, result, result_info: { cursor } });
const refused = (code: number) => ({ success: false, errors: [{ code, message: "no" }] });

test("a list is read to its last page", async () => {
  answers([200, ok([1, 2], "a/b")], [200, ok([3], "c")], [200, ok([])]);
  expect(await api.getAll("/keys", "?prefix=x")).toEqual([1, 2, 3]);
  expect(asked()).toEqual([
    "GET /v4/keys?prefix=x",
    "GET /v4/keys?prefix=x&cursor=a%2Fb",
    "GET /v4/keys?prefix=x&cursor=c",
  ]);
});

describe("a request", () => {
  test("that comes too often is made again, whatever it is", async () => {
    answers([429, refused(971), { "Retry-After": "1" }], [200, ok("done")]);
    const began = Date.now();
    expect(await api.send("POST", "/query", {})).toBe("done");
    expect(Date.now() - began).toBeGreaterThanOrEqual(1000);
  });

  test("that a gateway has swallowed is made again only where it may be done twice", async () => {
    answers([502, "<h1>"], [200, ok("done")]);
    expect(await api.send("PUT", "/bulk", [])).toBe("done");
    answers([502, "<h1>"], [200, ok("done")]);
    expect(await api.send("POST", "/query", {}, true)).toBe("done");
    answers([502, "<h1>"], [200, ok("done")]);
    await expect(api.send("POST", "/query", {})).rejects.toThrow(
      "Cloudflare answers 502 Bad Gateway to POST",
    );
  });

  test("that is refused says with which number, and what is not there is null", async () => {
    answers([403, refused(10_000)]);
    const error = await api.get("/r2/buckets").catch((error: unknown) => error);
    expect(error).toBeInstanceOf(CloudflareRefusal);
    expect(String(error)).toContain("Cloudflare answers 403 10000: no to GET /r2/buckets");
    expect(server.asked).toHaveLength(1);
    answers([404, refused(10_009)]);
    expect(await api.getText("/values/alice")).toBeNull();
  });

  test("that something else answers is no success", async () => {
    answers([200, "<h1>Sign in to this network</h1>"]);
    await expect(api.get("/accounts")).rejects.toThrow(/is no JSON: something else may stand in front/);
  });

  test("to where nobody listens fails with what happened", async () => {
    server.close();
    await expect(api.send("POST", "/query", {})).rejects.toThrow(
      /^Cloudflare cannot be asked: .*ECONNREFUSED/,
    );
  });
});
