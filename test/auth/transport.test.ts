/** How a request has to arrive. */

import { env, exports } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { bcryptRuns } from "../../src/auth/passwords.ts";
import { codesOf, noise, request, sha256, startUpload, streamOf } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { basic } from "../support/users.ts";

function ask(url: string, init: RequestInit = {}): Promise<Response> {
  const headers = { Authorization: basic("admin"), ...init.headers };
  return exports.default.fetch(new Request(url, { ...init, headers }));
}

describe("plain http", () => {
  test.each(["http://registry.test/v2/", "http://192.168.1.7:5000/v2/", "http://127.0.0.1.example.com/v2/"])(
    "from another machine is refused before credentials are read: %s",
    async (url) => {
      const get = vi.spyOn(env.USERS, "get");
      for (const authorization of [basic("admin"), basic("admin", "wrong"), ""]) {
        const response = await ask(url, { headers: { Authorization: authorization } });
        expect([response.status, await codesOf(response)]).toEqual([403, ["DENIED"]]);
      }
      expect([bcryptRuns, get.mock.calls]).toEqual([0, []]);
      vi.restoreAllMocks();
    },
  );

  test("is not made https by what the client says", async () => {
    const headers = {
      "X-Forwarded-Proto": "https",
      Forwarded: "proto=https",
      "CF-Visitor": '{"scheme":"https"}',
    };
    expect((await ask("http://registry.test/v2/", { headers })).status).toBe(403);
  });

  test.each(["127.0.0.1:5000", "localhost:5000", "[::1]:5000", "127.1.2.3", "berth.localhost"])(
    "on this machine is served: %s",
    async (host) => {
      const response = await ask(`http://${host}/v2/`);
      expect([response.status, response.headers.get("Strict-Transport-Security")]).toEqual([200, null]);
    },
  );

  test("is served to others where ALLOW_HTTP says so", async () => {
    setVariables({ ALLOW_HTTP: "true" });
    expect((await ask("http://registry.test/v2/")).status).toBe(200);
  });
});

describe("every answer", () => {
  test.each([
    ["GET", "/v2/", 200],
    ["GET", "/v2/team/app/manifests/latest", 404],
    ["GET", "/v2/nothing", 404],
    ["PATCH", "/v2/", 405],
  ])("is closed to browsers, and asks for https: %s %s", async (method, path, status) => {
    const response = await request(method, path);
    expect(response.status).toBe(status);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
      "strict-transport-security": "max-age=31536000",
      "docker-distribution-api-version": "registry/2.0",
    });
  });

  test("even of a registry that is set up wrongly", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    setVariables({ ALLOW_DELETE: "maybe" });
    const response = await request("GET", "/v2/");
    expect([response.status, response.headers.get("X-Content-Type-Options")]).toEqual([500, "nosniff"]);
    vi.restoreAllMocks();
  });

  test("https://localhost is not told to be https for ever", async () => {
    expect((await ask("https://localhost/v2/")).headers.get("Strict-Transport-Security")).toBe(null);
  });
});

describe("a page of another site", () => {
  const foreign: Record<string, string>[] = [
    { "Sec-Fetch-Site": "cross-site" },
    { Origin: "https://evil.test" },
    { Origin: "null" },
    { Origin: "https://registry.test.evil.test" },
    { Origin: "https://registry.test:444" },
  ];

  test.each(foreign)("changes nothing: %j", async (headers) => {
    for (const [method, path] of [
      ["POST", "/v2/a/blobs/uploads/"],
      ["DELETE", "/v2/a/manifests/latest"],
      ["POST", "/v2/_berth/gc"],
    ] as const) {
      const response = await ask(`https://registry.test${path}`, { method, headers });
      expect([method, response.status, await codesOf(response)]).toEqual([method, 403, ["DENIED"]]);
    }
  });

  test("may read, as far as it has credentials, and the registry's own may write", async () => {
    expect(
      (await ask("https://registry.test/v2/", { headers: { Origin: "https://evil.test" } })).status,
    ).toBe(200);
    const own = { Origin: "https://registry.test", "Sec-Fetch-Site": "same-origin" };
    const post = { method: "POST", headers: own };
    expect((await ask("https://registry.test/v2/a/blobs/uploads/", post)).status).toBe(202);
  });
});

describe("a refused body is read to its end", () => {
  /** A body of a mebibyte, and how much of it has been taken. */
  function watched(): { body: ReadableStream<Uint8Array>; left: () => number } {
    let left = 16;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left-- > 0) controller.enqueue(noise(64 * 1024));
        else controller.close();
      },
    });
    return { body, left: () => Math.max(left, 0) };
  }

  test.each([
    [
      "by wrong credentials",
      401,
      "POST",
      "/v2/a/blobs/uploads/?digest=",
      { Authorization: basic("nobody", "x") },
    ],
    ["by its digest", 400, "POST", "/v2/a/blobs/uploads/?digest=sha256:0", {}],
    ["by its session", 404, "PATCH", "/v2/a/blobs/uploads/0", {}],
    ["by its path", 404, "PUT", "/v2/nothing", {}],
    ["by its method", 405, "PUT", "/v2/", {}],
    ["by another site", 403, "PUT", "/v2/a/manifests/x", { Origin: "https://evil.test" }],
  ])("%s", async (_, status, method, path, headers) => {
    const { body, left } = watched();
    const response = await request(method, path, { body, headers });
    expect([response.status, left()]).toEqual([status, 0]);
    expect(await codesOf(response)).toHaveLength(1);
  });

  test("by its size, when it says none", async () => {
    const { body, left } = watched();
    setVariables({ PUBLIC_REPOSITORIES: "library/**" });
    expect((await request("POST", "/v2/token", { body })).status).toBe(413);
    expect(left()).toBe(0);
  });

  test("and one that breaks off leaves nothing behind", async () => {
    const body = streamOf([noise(1024)], "breaks");
    const headers = { Authorization: basic("nobody", "x") };
    await request("POST", "/v2/a/blobs/uploads/", { body, headers }).catch(() => {});
    const location = await startUpload("a");
    const pushed = await request("PUT", `${location}?digest=${sha256("x")}`, { body: "x" });
    expect(pushed.status).toBe(201);
  });
});
