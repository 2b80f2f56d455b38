/** The README's table, walked: each kind of caller × each action. And: every route asks. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, inject, test } from "vitest";
import { registry } from "../../src/app.ts";
import { digestOfManifest, imageOf, pushImage } from "../support/images.ts";
import { request, sha256, startUpload } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser, basic } from "../support/users.ts";

const IMAGE = imageOf("config", ["layer"]);

const issuer = `${inject("issuer")}/table`;
const OIDC = { OIDC_ISSUERS: issuer, OIDC_AUDIENCE: "registry.test" };

/** Name → what the request is; each answers 401 or 403 when refused. */
const ACTIONS: Record<string, (authorization: string) => Promise<Response>> = {
  "log in": (authorization) => send("GET", "/v2/", authorization),
  "pull public": (authorization) => send("GET", "/v2/library/app/manifests/latest", authorization),
  "pull team": (authorization) => send("GET", "/v2/team/app/manifests/latest", authorization),
  "pull other": (authorization) => send("GET", "/v2/other/app/manifests/latest", authorization),
  "push team": (authorization) => send("POST", "/v2/team/app/blobs/uploads/", authorization),
  "push public": (authorization) => send("POST", "/v2/library/app/blobs/uploads/", authorization),
  "delete team": (authorization) => send("DELETE", "/v2/team/app/manifests/latest", authorization),
  "manage own tokens": (authorization) => send("GET", "/v2/_berth/tokens", authorization),
  "manage others' tokens": (authorization) => send("GET", "/v2/_berth/tokens?owner=someone", authorization),
  "collect garbage": (authorization) => send("POST", "/v2/_berth/gc", authorization),
  "read the audit trail": (authorization) => send("GET", "/v2/_berth/audit", authorization),
  "read policies": (authorization) => send("GET", "/v2/_berth/policies", authorization),
  "read quotas": (authorization) => send("GET", "/v2/_berth/quotas", authorization),
  "read usage": (authorization) => send("GET", "/v2/_berth/usage", authorization),
  "read the status": (authorization) => send("GET", "/v2/_berth/status", authorization),
  "read metrics": (authorization) => send("GET", "/metrics", authorization),
};

function send(method: string, path: string, authorization: string): Promise<Response> {
  return request(method, path, { headers: { Authorization: authorization } });
}

/** What stands in the Authorization header of each kind of caller. */
const CALLERS: Record<string, () => string | Promise<string>> = {
  nobody: () => "",
  "wrong password": () => basic("puller", "wrong"),
  "no rights": () => basic("guest"),
  "pull in team/**": () => basic("puller"),
  "pull and push in team/**": () => basic("pusher"),
  "pull and delete in team/**": () => basic("deleter"),
  "administrator without rights": () => basic("operator"),
  everything: () => basic("admin"),
  "token for everything, of who may pull in team/**": () => machineToken("puller", ["**"]),
  "token for team/**, of an administrator": () => machineToken("admin", ["team/**"]),
  "revoked token": () => machineToken("admin", ["**"], "revoked"),
  "token of a removed user": () => machineToken("gone", ["**"], "removed"),
  "signed in elsewhere, rule for team/**": () => idToken("repo:team/app"),
  "the same, with the token that it is exchanged for": () => exchanged("repo:team/app"),
  "signed in elsewhere, no rule": () => idToken("repo:other/app"),
  "signed in elsewhere, for another audience": () => idToken("repo:team/app", { aud: "elsewhere" }),
};

/** Kind of caller → the status of each action in the order above, with a public library. */
const TABLE: [caller: string, statuses: number[]][] = [
  ["nobody", [401, 200, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401]],
  ["wrong password", [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401]],
  ["no rights", [200, 200, 403, 403, 403, 403, 403, 200, 403, 403, 403, 403, 403, 403, 403, 403]],
  ["pull in team/**", [200, 200, 200, 403, 403, 403, 403, 200, 403, 403, 403, 403, 403, 403, 403, 403]],
  [
    "pull and push in team/**",
    [200, 200, 200, 403, 202, 403, 403, 200, 403, 403, 403, 403, 403, 403, 403, 403],
  ],
  [
    "pull and delete in team/**",
    [200, 200, 200, 403, 403, 403, 202, 200, 403, 403, 403, 403, 403, 403, 403, 403],
  ],
  [
    "administrator without rights",
    [200, 200, 403, 403, 403, 403, 403, 200, 200, 200, 200, 200, 200, 200, 200, 200],
  ],
  ["everything", [200, 200, 200, 200, 202, 202, 202, 200, 200, 200, 200, 200, 200, 200, 200, 200]],
  [
    "token for everything, of who may pull in team/**",
    [200, 200, 200, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403],
  ],
  [
    "token for team/**, of an administrator",
    [200, 200, 200, 403, 202, 403, 202, 403, 403, 403, 403, 403, 403, 403, 403, 403],
  ],
  ["revoked token", [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401]],
  [
    "token of a removed user",
    [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401],
  ],
  [
    "signed in elsewhere, rule for team/**",
    [200, 200, 200, 403, 202, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403],
  ],
  [
    "the same, with the token that it is exchanged for",
    [200, 200, 200, 403, 202, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403],
  ],
  [
    "signed in elsewhere, no rule",
    [403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403],
  ],
  [
    "signed in elsewhere, for another audience",
    [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401],
  ],
];

async function machineToken(owner: string, repositories: string[], end = ""): Promise<string> {
  if (owner === "gone") await addUser("gone");
  const access = [{ repositories, actions: ["pull", "push", "delete"] }];
  const response = await request("POST", "/v2/_berth/tokens", {
    body: JSON.stringify({ name: "ci", access, expiresIn: 3600 }),
    headers: { Authorization: basic(owner) },
  });
  const { token } = (await response.json()) as { token: string };
  if (end === "revoked") await send("DELETE", "/v2/_berth/tokens/ci", basic(owner));
  if (end === "removed") await env.USERS.delete(owner);
  return basic(owner, token);
}

async function idToken(sub: string, claims: object = {}): Promise<string> {
  const body = JSON.stringify({ sub, ...claims });
  return basic("oidc", await (await fetch(`${issuer}/sign`, { method: "POST", body })).text());
}

async function exchanged(sub: string): Promise<string> {
  const subject = atob((await idToken(sub)).replace("Basic ", "")).replace("oidc:", "");
  const types = "urn:ietf:params:oauth";
  const body = new URLSearchParams({
    grant_type: `${types}:grant-type:token-exchange`,
    subject_token_type: `${types}:token-type:jwt`,
    subject_token: subject,
  });
  const response = await request("POST", "/v2/token", { body, headers: { Authorization: "" } });
  return `Bearer ${((await response.json()) as { access_token: string }).access_token}`;
}

beforeEach(async () => {
  for (const name of ["library/app", "team/app", "other/app"])
    await pushImage(name, "latest", "config", ["layer"]);
  await addUser("guest", { access: [] });
  await addUser("someone", { access: [] });
  await addUser("puller", { access: [{ repositories: ["team/**"], actions: ["pull"] }] });
  await addUser("pusher", {
    access: [
      { repositories: ["team/**"], actions: ["pull"] },
      { repositories: ["team/app"], actions: ["push"] },
    ],
  });
  await addUser("deleter", { access: [{ repositories: ["team/**"], actions: ["pull", "delete"] }] });
  await addUser("operator", { access: [], admin: true });
  const access = [{ repositories: ["team/**"], actions: ["pull", "push"] }];
  await env.USERS.put("rule/team", JSON.stringify({ issuer, claims: { sub: "repo:team/*" }, access }));
  setVariables(OIDC);
});

async function walk(caller: string, expected: (action: string, index: number) => number): Promise<void> {
  const authorization = (await CALLERS[caller]?.()) ?? "";
  for (const [index, [action, ask]] of Object.entries(ACTIONS).entries())
    expect([action, (await ask(authorization)).status]).toEqual([action, expected(action, index)]);
}

test("every kind of caller is in the table", () => {
  expect(TABLE.map(([caller]) => caller)).toEqual(Object.keys(CALLERS));
});

describe("with public repositories", () => {
  beforeEach(() => setVariables({ ...OIDC, PUBLIC_REPOSITORIES: "library/**" }));
  test.each(TABLE)("%s", async (caller, statuses) => {
    await walk(caller, (_, index) => statuses[index] as number);
  });
});

describe("without", () => {
  test.each(TABLE)("%s", async (caller, statuses) => {
    // Whoever is not let in is told so, whatever it asks for.
    const closed = statuses[0] === 401 ? 401 : 403;
    const all = caller === "everything";
    await walk(caller, (action, index) =>
      action.endsWith("public") && !all ? closed : (statuses[index] as number),
    );
  });
});

describe("every route of the app", () => {
  /** Those that anybody may call: what they answer depends on what they are told. */
  const OPEN = ["GET /healthz", "GET /v2/token", "POST /v2/token"];
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
  const routes = registry.routes.filter(
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
        .replace(":policy", "releases")
        .replace(":quota", "team")
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
