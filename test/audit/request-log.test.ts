/** The log has one line for each request, and no secret in any. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { eventsOf } from "../support/events.ts";
import { imageOf, pushImage } from "../support/images.ts";
import { pushBlob, putManifest, request, sha256 } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { basic } from "../support/users.ts";

const lines: string[] = [];

beforeEach(() => {
  lines.length = 0;
  for (const level of ["log", "debug", "info", "warn", "error"] as const)
    vi.spyOn(console, level).mockImplementation((line) => lines.push(String(line)));
});
afterEach(() => vi.restoreAllMocks());

const requests = () =>
  lines.map((line) => JSON.parse(line)).filter(({ event }: { event: string }) => event === "request");

test("says who asked for what, from where, how it ended, and how long that took", async () => {
  const headers = {
    ...{ Authorization: basic("admin"), "CF-Connecting-IP": "192.0.2.7", "User-Agent": "docker/28.0" },
  };
  await request("GET", "/v2/a/manifests/v1?ns=docker.io", { headers });
  expect(requests()).toEqual([
    {
      ...{ event: "request", request: expect.stringMatching(/^[0-9a-f-]{36}$/), method: "GET" },
      ...{ path: "/v2/a/manifests/v1", status: 404, duration: expect.any(Number), actor: "admin" },
      ...{ credential: "password", address: "192.0.2.7", userAgent: "docker/28.0" },
    },
  ]);
});

test("names the request as its events do", async () => {
  await pushBlob("a", "config");
  const events = await eventsOf(() => putManifest("a", "v1", imageOf("config", [])));
  const { request: id } = requests().at(-1);
  expect(events.map((event) => event.id)).toEqual([`${id}/manifest`, `${id}/tag/v1`]);
});

test.each([
  ["who is not let in", () => request("GET", "/v2/", { headers: { Authorization: "" } }), 401],
  [
    "a wrong password",
    () => request("GET", "/v2/", { headers: { Authorization: basic("admin", "no") } }),
    401,
  ],
  ["no endpoint", () => request("GET", "/nowhere"), 404],
  ["a method that is none", () => request("PATCH", "/v2/"), 405],
  [
    "a setting that makes no sense",
    () => {
      setVariables({ MAX_CHUNK: "much" });
      return request("GET", "/v2/");
    },
    500,
  ],
] as const)("is there for %s", async (_, ask, status) => {
  await ask();
  expect(requests().map((line) => line.status)).toEqual([status]);
});

test("there is no secret in any line", async () => {
  setVariables({ PUBLIC_REPOSITORIES: "library/**" });
  await pushBlob("a", "hello");
  await pushImage("a", "v1", "config", []);
  const access = [{ repositories: ["**"], actions: ["pull"] }];
  const body = JSON.stringify({ name: "ci", access, expiresIn: 3600 });
  const made = await request("POST", "/v2/_berth/tokens", { body });
  const { token } = (await made.json()) as { token: string };
  const given = await request("GET", "/v2/token?account=admin&scope=repository:a:pull&secret=hidden");
  const { token: bearer } = (await given.json()) as { token: string };
  for (const authorization of [basic("admin", token), `Bearer ${bearer}`, basic("admin", "guess-1")])
    await request("GET", `/v2/a/blobs/${sha256("hello")}?token=${token}&_state=hidden`, {
      headers: { Authorization: authorization, Cookie: "hidden" },
    });
  await request("POST", "/v2/token", {
    headers: { Authorization: "" },
    body: new URLSearchParams({ grant_type: "password", username: "admin", password: "guess-2" }),
  });
  expect(requests().length).toBeGreaterThan(8);
  for (const secret of [token, bearer, "guess-1", "guess-2", "hidden", "Basic ", btoa("admin:secret"), "?"])
    expect([secret, lines.filter((line) => line.includes(secret))]).toEqual([secret, []]);
});
