/** Anonymous pull, and the tokens that it needs. */

import { env } from "cloudflare:workers";
import { sign } from "hono/jwt";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { forgetKeys } from "../../src/auth/tokens.ts";
import { pushImage } from "../support/images.ts";
import { codesOf, request, sha256 } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser, basic } from "../support/users.ts";

const REALM = 'Bearer realm="https://registry.test/v2/token",service="berth"';

beforeEach(async () => {
  await pushImage("library/busybox", "latest", "config", ["layer"]);
  await pushImage("team/app", "latest", "config", ["layer"]);
  setVariables({ PUBLIC_REPOSITORIES: "library/** tools/*" });
});

interface Granted {
  token: string;
  access_token: string;
  expires_in: number;
  issued_at: string;
  scope: string;
  refresh_token?: string;
}

async function getToken(query: string, authorization = ""): Promise<Granted> {
  const response = await request("GET", `/v2/token${query}`, { headers: { Authorization: authorization } });
  if (response.status !== 200) throw new Error(`the token endpoint answered ${response.status}`);
  return (await response.json()) as Granted;
}

function use(token: string, method: string, path: string): Promise<Response> {
  return request(method, path, { headers: { Authorization: `Bearer ${token}` } });
}

async function claimsOf(token: string) {
  return JSON.parse(atob((token.split(".")[1] as string).replaceAll("-", "+").replaceAll("_", "/")));
}

describe("the challenge", () => {
  test("is one Bearer, without a scope for /v2/ and with one elsewhere", async () => {
    const root = await request("GET", "/v2/", { headers: { Authorization: "" } });
    expect([root.status, root.headers.get("WWW-Authenticate")]).toEqual([401, REALM]);
    const pull = await request("GET", "/v2/team/app/manifests/latest", { headers: { Authorization: "" } });
    expect(pull.headers.get("WWW-Authenticate")).toBe(`${REALM},scope="repository:team/app:pull"`);
    const push = await request("POST", "/v2/library/busybox/blobs/uploads/", {
      headers: { Authorization: "" },
    });
    expect(push.headers.get("WWW-Authenticate")).toBe(
      `${REALM},scope="repository:library/busybox:pull,push"`,
    );
  });

  test("is Basic again when nothing is public, and then there is no token endpoint", async () => {
    setVariables({ PUBLIC_REPOSITORIES: "" });
    const root = await request("GET", "/v2/", { headers: { Authorization: "" } });
    expect(root.headers.get("WWW-Authenticate")).toContain("Basic");
    expect((await request("GET", "/v2/token")).status).toBe(404);
  });
});

describe("anonymous callers", () => {
  test("pull from public repositories, with a token and without", async () => {
    const { token } = await getToken("?service=berth&scope=repository:library/busybox:pull");
    for (const authorization of [`Bearer ${token}`, ""]) {
      for (const path of ["manifests/latest", `blobs/${sha256("layer")}`, "tags/list"]) {
        const headers = { Authorization: authorization };
        expect((await request("GET", `/v2/library/busybox/${path}`, { headers })).status).toBe(200);
      }
    }
    expect((await use(token, "GET", "/v2/")).status).toBe(200);
  });

  test("get no more than pull, and nothing elsewhere", async () => {
    const query = "?scope=repository:library/busybox:pull,push,delete&scope=repository:team/app:pull,push";
    const granted = await getToken(query);
    expect(granted.scope).toBe("repository:library/busybox:pull");
    for (const [method, path] of [
      ["POST", "library/busybox/blobs/uploads/"],
      ["DELETE", "library/busybox/manifests/latest"],
      ["GET", "team/app/manifests/latest"],
    ] as const) {
      expect((await use(granted.token, method, `/v2/${path}`)).status).toBe(401);
    }
  });

  test("see public repositories in the catalog, with a token", async () => {
    const { token } = await getToken("?scope=registry:catalog:*");
    expect(await (await use(token, "GET", "/v2/_catalog")).json()).toEqual({
      repositories: ["library/busybox"],
    });
    expect((await request("GET", "/v2/_catalog", { headers: { Authorization: "" } })).status).toBe(401);
  });
});

describe("users", () => {
  beforeEach(() => addUser("alice", { access: [{ repositories: ["team/**"], actions: ["pull", "push"] }] }));

  test("get what they asked for and have; several scopes, in one parameter and in many", async () => {
    const asked = [
      "repository:team/app:pull,push,delete",
      "repository:secret/x:pull",
      "repository:library/busybox:*",
    ];
    const expected = "repository:team/app:pull,push repository:library/busybox:pull";
    const many = asked.map((scope) => `scope=${encodeURIComponent(scope)}`).join("&");
    expect((await getToken(`?${many}`, basic("alice"))).scope).toBe(expected);
    expect((await getToken(`?scope=${encodeURIComponent(asked.join(" "))}`, basic("alice"))).scope).toBe(
      expected,
    );
  });

  test("push with their token, and are told 403 where they have no right", async () => {
    const { token } = await getToken("?scope=repository:team/app:pull,push", basic("alice"));
    expect((await use(token, "POST", "/v2/team/app/blobs/uploads/")).status).toBe(202);
    const denied = await use(token, "DELETE", "/v2/team/app/manifests/latest");
    expect([denied.status, await codesOf(denied)]).toEqual([403, ["DENIED"]]);
  });

  test("are asked for another token where theirs does not carry the scope", async () => {
    const { token } = await getToken("?scope=repository:team/app:pull", basic("alice"));
    const response = await use(token, "POST", "/v2/team/app/blobs/uploads/");
    expect(response.status).toBe(401);
    expect(response.headers.get("WWW-Authenticate")).toBe(
      `${REALM},scope="repository:team/app:pull,push",error="insufficient_scope"`,
    );
  });

  test("can still send a password directly", async () => {
    const headers = { Authorization: basic("alice") };
    expect((await request("POST", "/v2/team/app/blobs/uploads/", { headers })).status).toBe(202);
  });

  test("with a wrong password get no token, and are asked for a password", async () => {
    const response = await request("GET", "/v2/token", {
      headers: { Authorization: basic("alice", "wrong") },
    });
    expect([response.status, response.headers.get("WWW-Authenticate")?.slice(0, 6)]).toEqual([401, "Basic "]);
  });

  test("lose their tokens when they are changed or removed", async () => {
    const { token } = await getToken("?scope=repository:team/app:pull", basic("alice"));
    expect((await use(token, "GET", "/v2/team/app/tags/list")).status).toBe(200);
    await addUser("alice", { access: [{ repositories: ["team/app"], actions: ["pull"] }] });
    expect((await use(token, "GET", "/v2/team/app/tags/list")).status).toBe(401);
    const next = await getToken("?scope=repository:team/app:pull", basic("alice"));
    await env.USERS.delete("alice");
    expect((await use(next.token, "GET", "/v2/team/app/tags/list")).status).toBe(401);
  });

  test("an administrator collects garbage, nobody else", async () => {
    const { token } = await getToken("", basic("alice"));
    expect((await use(token, "POST", "/v2/_berth/gc")).status).toBe(403);
    const { token: anonymous } = await getToken("");
    expect((await use(anonymous, "POST", "/v2/_berth/gc")).status).toBe(401);
    expect((await request("POST", "/v2/_berth/gc")).status).toBe(200);
  });

  test("an administrator's token carries what it is for, and no more", async () => {
    const { token } = await getToken("?scope=repository:team/app:pull", basic("admin"));
    expect((await use(token, "GET", "/v2/team/app/tags/list")).status).toBe(200);
    expect((await use(token, "POST", "/v2/_berth/gc")).status).toBe(403);
    expect((await use(token, "GET", "/v2/library/busybox/tags/list")).status).toBe(401);
    const catalog = await use(token, "GET", "/v2/_catalog");
    expect(catalog.headers.get("WWW-Authenticate")).toContain('scope="registry:catalog:*"');
    expect(catalog.status).toBe(401);
  });

  test("a token does not get another", async () => {
    const { token } = await getToken("?scope=repository:team/app:pull", basic("alice"));
    const response = await use(token, "GET", "/v2/token?scope=repository:team/app:pull");
    expect([response.status, response.headers.get("WWW-Authenticate")?.slice(0, 5)]).toEqual([401, "Basic"]);
  });

  test("a token for a hundred long names is taken", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `team/${"x".repeat(100)}-${index}`);
    const query = names.map((name) => `scope=repository:${name}:pull,push`).join("&");
    const { token } = await getToken(`?${query}`, basic("alice"));
    expect((await use(token, "GET", `/v2/${names[99]}/tags/list`)).status).toBe(404);
  });
});

describe("the token endpoint", () => {
  test("answers as Docker's specification says, and never with a refresh token", async () => {
    const granted = await getToken(
      "?service=berth&account=admin&client_id=docker&offline_token=true",
      basic("admin"),
    );
    expect(granted.access_token).toBe(granted.token);
    expect(granted.expires_in).toBe(3600);
    expect(Math.abs(Date.parse(granted.issued_at) - Date.now())).toBeLessThan(10_000);
    expect(granted.refresh_token).toBeUndefined();
  });

  test("takes the password grant by POST", async () => {
    const form = {
      grant_type: "password",
      username: "admin",
      password: "secret",
      service: "berth",
      client_id: "x",
    };
    const body = new URLSearchParams({
      ...form,
      scope: "repository:a:push repository:b:pull",
      access_type: "offline",
    });
    const response = await request("POST", "/v2/token", { body, headers: { Authorization: "" } });
    const granted = (await response.json()) as Granted;
    expect([response.status, granted.scope]).toEqual([200, "repository:a:push repository:b:pull"]);
    expect(granted.refresh_token).toBeUndefined();
    const wrong = new URLSearchParams({ ...form, password: "wrong" });
    expect((await request("POST", "/v2/token", { body: wrong, headers: { Authorization: "" } })).status).toBe(
      401,
    );
  });

  test("refuses other grants, and forms that are none", async () => {
    for (const body of ["", "grant_type=refresh_token&refresh_token=x", "{}", "x".repeat(100_000)]) {
      const response = await request("POST", "/v2/token", { body });
      expect([400, 413]).toContain(response.status);
      expect(await codesOf(response)).toEqual(["UNSUPPORTED"]);
    }
  });

  test("a scope with a malformed name is 400; one of another type grants nothing", async () => {
    for (const name of ["A", "a//b", "", "../x"]) {
      const response = await request("GET", `/v2/token?scope=repository:${name}:pull`);
      expect([name, response.status, await codesOf(response)]).toEqual([name, 400, ["NAME_INVALID"]]);
    }
    expect((await getToken("?scope=registry:catalog:*")).scope).toBe("registry:catalog:*");
    for (const scope of ["registry:other:*", "nonsense", "a:b:c:d", "::", "repository:a"]) {
      expect((await getToken(`?scope=${scope}`, basic("admin"))).scope).toBe("");
    }
    const many = Array.from({ length: 101 }, (_, index) => `scope=repository:r${index}:pull`).join("&");
    expect((await request("GET", `/v2/token?${many}`)).status).toBe(400);
  });
});

describe("tokens that are not ours", () => {
  const claims = { iss: "berth", aud: "berth", sub: "admin", entry: null, access: [], exp: 9_999_999_999 };

  test("forged, expired, of another audience or issuer, unsigned: 401 with the challenge", async () => {
    const { token } = await getToken("", basic("admin"));
    const [header, payload, signature] = token.split(".") as [string, string, string];
    const key = (await env.DB.prepare("SELECT secret FROM signing_keys").first<string>("secret")) as string;
    const good = await claimsOf(token);
    const unsigned = btoa('{"alg":"none","typ":"JWT"}').replaceAll("=", "");
    const forged = [
      await sign(claims, "x".repeat(32), "HS256"),
      await sign({ ...good, exp: 1 }, key, "HS256"),
      await sign({ ...good, nbf: 9_999_999_999 }, key, "HS256"),
      await sign({ ...good, aud: "elsewhere" }, key, "HS256"),
      await sign({ ...good, iss: "elsewhere" }, key, "HS256"),
      await sign(good, key, "HS512"),
      `${unsigned}.${payload}.`,
      `${unsigned}.${payload}.${signature}`,
      `${header}.${payload}.${"A".repeat(43)}`,
      `${header}.${btoa(JSON.stringify({ ...good, sub: "root" }))}.${signature}`,
      token.slice(0, -2),
      `${token}.x`,
      "..",
    ];
    for (const each of forged) {
      const response = await use(each, "GET", "/v2/");
      expect(response.status).toBe(401);
      expect(response.headers.get("WWW-Authenticate")).toContain('error="invalid_token"');
    }
    expect((await use(token, "GET", "/v2/")).status).toBe(200);
  });

  test("another registry's, although it has the same secret", async () => {
    const secrets = { PUBLIC_REPOSITORIES: "library/**", TOKEN_SECRET: "s".repeat(32) };
    setVariables(secrets as never);
    const { token } = await getToken("", basic("admin"));
    expect((await use(token, "GET", "/v2/")).status).toBe(200);
    await env.DB.prepare("UPDATE registry SET identity = 'another'").run();
    forgetKeys();
    expect((await use(token, "GET", "/v2/")).status).toBe(401);
  });

  test("ours end after an hour", async () => {
    const { token } = await getToken("", basic("admin"));
    const later = Date.now() + 3_601_000;
    vi.spyOn(Date, "now").mockReturnValue(later);
    expect((await use(token, "GET", "/v2/")).status).toBe(401);
    vi.restoreAllMocks();
  });

  test("a token of an older key is good while the key is there", async () => {
    const { token } = await getToken("", basic("admin"));
    await env.DB.prepare("INSERT INTO signing_keys (id, secret, created_at) VALUES (2, ?1, 0)")
      .bind("k".repeat(40))
      .run();
    const later = Date.now() + 61_000;
    vi.spyOn(Date, "now").mockReturnValue(later);
    const next = (await getToken("", basic("admin"))).token;
    for (const each of [token, next]) expect((await use(each, "GET", "/v2/")).status).toBe(200);
    vi.restoreAllMocks();
  });

  test("TOKEN_SECRET signs instead of the database's key; an older one in it is still good", async () => {
    const secret = "s".repeat(32);
    setVariables({ PUBLIC_REPOSITORIES: "library/**", TOKEN_SECRET: secret } as never);
    const { token } = await getToken("", basic("admin"));
    expect(await env.DB.prepare("SELECT count(*) AS n FROM signing_keys").first("n")).toBe(0);
    setVariables({ PUBLIC_REPOSITORIES: "library/**", TOKEN_SECRET: `${"n".repeat(32)},${secret}` } as never);
    expect((await use(token, "GET", "/v2/")).status).toBe(200);
    setVariables({ PUBLIC_REPOSITORIES: "library/**", TOKEN_SECRET: "n".repeat(32) } as never);
    expect((await use(token, "GET", "/v2/")).status).toBe(401);
  });
});

describe("PUBLIC_REPOSITORIES", () => {
  test.each(["A", "a//", "***", "library/[x]"])("%j fails loudly", async (value) => {
    setVariables({ PUBLIC_REPOSITORIES: value });
    expect((await request("GET", "/v2/")).status).toBe(500);
  });
});
