/** The README's table, walked: each kind of caller × each action. And: every route asks. */

import { beforeEach, describe, expect, test } from "vitest";
import { app } from "../../src/app.ts";
import { digestOfManifest, imageOf, pushImage } from "../support/images.ts";
import { request, sha256, startUpload } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser, basic } from "../support/users.ts";

const IMAGE = imageOf("config", ["layer"]);

/** Name → what the request is; each answers 401 or 403 when refused. */
const ACTIONS: Record<string, (authorization: string) => Promise<Response>> = {
  "log in": (authorization) => send("GET", "/v2/", authorization),
  "pull public": (authorization) => send("GET", "/v2/library/app/manifests/latest", authorization),
  "pull team": (authorization) => send("GET", "/v2/team/app/manifests/latest", authorization),
  "pull other": (authorization) => send("GET", "/v2/other/app/manifests/latest", authorization),
  "push team": (authorization) => send("POST", "/v2/team/app/blobs/uploads/", authorization),
  "push public": (authorization) => send("POST", "/v2/library/app/blobs/uploads/", authorization),
  "delete team": (authorization) => send("DELETE", "/v2/team/app/manifests/latest", authorization),
  "collect garbage": (authorization) => send("POST", "/v2/_berth/gc", authorization),
};

function send(method: string, path: string, authorization: string): Promise<Response> {
  return request(method, path, { headers: { Authorization: authorization } });
}

/** Kind of caller → the status of each action in the order above, with a public library. */
const TABLE: [caller: string, authorization: string, statuses: number[]][] = [
  ["nobody", "", [401, 200, 401, 401, 401, 401, 401, 401]],
  ["wrong password", basic("puller", "wrong"), [401, 401, 401, 401, 401, 401, 401, 401]],
  ["no rights", basic("guest"), [200, 200, 403, 403, 403, 403, 403, 403]],
  ["pull in team/**", basic("puller"), [200, 200, 200, 403, 403, 403, 403, 403]],
  ["pull and push in team/**", basic("pusher"), [200, 200, 200, 403, 202, 403, 403, 403]],
  ["pull and delete in team/**", basic("deleter"), [200, 200, 200, 403, 403, 403, 202, 403]],
  ["administrator without rights", basic("operator"), [200, 200, 403, 403, 403, 403, 403, 200]],
  ["everything", basic("admin"), [200, 200, 200, 200, 202, 202, 202, 200]],
];

beforeEach(async () => {
  for (const name of ["library/app", "team/app", "other/app"])
    await pushImage(name, "latest", "config", ["layer"]);
  await addUser("guest", { access: [] });
  await addUser("puller", { access: [{ repositories: ["team/**"], actions: ["pull"] }] });
  await addUser("pusher", {
    access: [
      { repositories: ["team/**"], actions: ["pull"] },
      { repositories: ["team/app"], actions: ["push"] },
    ],
  });
  await addUser("deleter", { access: [{ repositories: ["team/**"], actions: ["pull", "delete"] }] });
  await addUser("operator", { access: [], admin: true });
});

describe("with public repositories", () => {
  beforeEach(() => setVariables({ PUBLIC_REPOSITORIES: "library/**" }));
  test.each(TABLE)("%s", async (_, authorization, statuses) => {
    for (const [index, [action, ask]] of Object.entries(ACTIONS).entries()) {
      expect([action, (await ask(authorization)).status]).toEqual([action, statuses[index]]);
    }
  });
});

describe("without", () => {
  test.each(TABLE)("%s", async (caller, authorization, statuses) => {
    const all = caller === "everything";
    const anonymous = caller === "nobody" || caller === "wrong password";
    for (const [index, [action, ask]] of Object.entries(ACTIONS).entries()) {
      const closed = anonymous ? 401 : 403;
      const expected = action.endsWith("public") && !all ? closed : statuses[index];
      expect([action, (await ask(authorization)).status]).toEqual([action, expected]);
    }
  });
});

describe("every route of the app", () => {
  /** Those that anybody may call: what they answer depends on what they are told. */
  const OPEN = ["GET /v2/token", "POST /v2/token"];
  /** What is of no repository, and what a user has of his own: what each answers to a user who has nothing. */
  const FOR_ALL_USERS: Record<string, number> = {
    "GET /v2/": 200,
    "GET /v2": 200,
    "GET /v2/_catalog": 200,
    "GET /v2/_oci/ext/discover": 200,
    "POST /v2/_berth/tokens": 400,
    "GET /v2/_berth/tokens": 200,
    "DELETE /v2/_berth/tokens": 204,
    "DELETE /v2/_berth/tokens/:token": 404,
  };
  const routes = app.routes.filter(
    ({ method, path }) => method !== "ALL" && !OPEN.includes(`${method} ${path}`),
  );
  const unique = [...new Map(routes.map((route) => [`${route.method} ${route.path}`, route])).values()];

  test("is looked at", () => {
    expect(unique.length).toBeGreaterThanOrEqual(17);
  });

  test.each(unique.map(({ method, path }) => [method, path]))(
    "%s %s refuses who has no rights",
    async (method, path) => {
      const location = await startUpload("team/app");
      const target = (path as string)
        .replace(":name{.+}", "team/app")
        .replace(":reference", method === "PUT" ? digestOfManifest(IMAGE) : "latest")
        .replace(":digest", sha256("layer"))
        .replace(":token", "ci")
        .replace(":id", location.split("/").at(-1) as string);
      const before = await request("GET", "/v2/team/app/tags/list");
      const init = (Authorization: string) => ({
        headers: { Authorization },
        ...(method === "PUT" ? { body: JSON.stringify(IMAGE) } : {}),
      });
      expect((await request(method as string, target, init(""))).status).toBe(401);
      const status = (await request(method as string, target, init(basic("guest")))).status;
      expect(status).toBe(FOR_ALL_USERS[`${method} ${path}`] ?? 403);
      expect(await (await request("GET", "/v2/team/app/tags/list")).text()).toBe(await before.text());
      expect((await request("GET", location)).status).toBe(204);
    },
  );
});
