import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { bcryptRuns } from "../../src/auth/passwords.ts";
import { imageOf, pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { close, codesOf, pushBlob, putManifest, request, sha256, startUpload } from "../support/registry.ts";
import { addUser, basic, HASH } from "../support/users.ts";

const CHALLENGE = 'Basic realm="Berth", charset="UTF-8"';

function as(authorization: string, method = "GET", path = "/v2/"): Promise<Response> {
  return request(method, path, { headers: { Authorization: authorization } });
}

describe("GET /v2/", () => {
  test("without credentials: 401 with exactly one challenge, on HEAD too", async () => {
    for (const authorization of ["", "Basic Og=="]) {
      for (const method of ["GET", "HEAD"]) {
        const response = await as(authorization, method);
        expect([response.status, response.headers.get("WWW-Authenticate")]).toEqual([401, CHALLENGE]);
      }
    }
    expect(await codesOf(await as(""))).toEqual(["UNAUTHORIZED"]);
  });

  test("right credentials: 200, whatever the case of the scheme", async () => {
    for (const scheme of ["Basic", "basic", "BASIC"]) {
      expect((await as(basic("admin").replace("Basic", scheme))).status).toBe(200);
    }
  });

  test("unknown user and wrong password get the same answer", async () => {
    const unknown = await as(basic("nobody"));
    const wrong = await as(basic("admin", "wrong"));
    expect([unknown.status, wrong.status]).toEqual([401, 401]);
    expect(await unknown.text()).toBe(await wrong.text());
  });

  test("an unknown user costs a bcrypt run, as a wrong password does", async () => {
    await as(basic("nobody"));
    expect(bcryptRuns).toBe(1);
    await as(basic("admin", "wrong"));
    expect(bcryptRuns).toBe(2);
  });

  test("OPTIONS is 405 with Allow, and opens nothing", async () => {
    const response = await as("", "OPTIONS");
    expect([response.status, response.headers.get("Allow")]).toEqual([405, "GET, HEAD"]);
  });
});

describe("bad credentials are 401 with the challenge, and never logged", () => {
  test.each([
    "Basic",
    "Basic ",
    "Basic !!!",
    "Basic YWJj",
    `Basic ${btoa("admin")}`,
    `Basic ${btoa("admin:wrong")}`,
    `Basic ${btoa("admin:secret\u0000")}`,
    `Basic ${btoa("\xff\xfe:x")}`,
    `Basic ${btoa("../admin:secret")}`,
    `Basic ${btoa(`${"a".repeat(600)}:secret`)}`,
    `Basic ${btoa(`admin:${"x".repeat(10_000)}`)}`,
    `Basic ${btoa(`admin:secret${"x".repeat(80)}`)}`,
    basic("jürgen", "pässwörd"),
    "Digest username=admin",
    "Bearer",
    "Bearer x",
    "Bearer a.b.c",
    "Basic YQ== YQ==",
    "x".repeat(10_000),
  ])("%.40s", async (authorization) => {
    const logged = [vi.spyOn(console, "log"), vi.spyOn(console, "error"), vi.spyOn(console, "warn")];
    const response = await as(authorization);
    expect([response.status, response.headers.get("WWW-Authenticate")]).toEqual([401, CHALLENGE]);
    expect(await codesOf(response)).toEqual(["UNAUTHORIZED"]);
    for (const spy of logged) expect(spy).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });

  test("a unicode password is a password", async () => {
    const { hash } = await import("bcryptjs");
    await env.USERS.put("juergen", await hash("pässwörd 🐳", 4));
    expect((await as(basic("juergen", "pässwörd 🐳"))).status).toBe(200);
    expect((await as(basic("juergen", "passwort"))).status).toBe(401);
  });

  test("only 72 bytes of a password count, so a longer one is wrong", async () => {
    const { hash } = await import("bcryptjs");
    await env.USERS.put("long", await hash("x".repeat(72), 4));
    expect((await as(basic("long", "x".repeat(72)))).status).toBe(200);
    expect((await as(basic("long", "x".repeat(73)))).status).toBe(401);
  });
});

describe("entries", () => {
  test.each(["$2a$", "$2b$", "$2y$"])("a bare %s hash gives all rights", async (prefix) => {
    await env.USERS.put("carol", HASH.replace(/^\$2.\$/, prefix));
    expect((await as(basic("carol"))).status).toBe(200);
    expect((await as(basic("carol"), "POST", "/v2/any/thing/blobs/uploads/")).status).toBe(202);
    expect((await as(basic("carol"), "GET", "/v2/_berth/gc")).status).toBe(200);
  });

  test.each([
    "",
    "secret",
    "{",
    "[]",
    "null",
    "{}",
    JSON.stringify({ hash: "x" }),
    JSON.stringify({ hash: HASH, access: {} }),
    JSON.stringify({ hash: HASH, admin: "yes" }),
    JSON.stringify({ hash: HASH, access: [{ repositories: ["**"] }] }),
    JSON.stringify({ hash: HASH, access: [{ repositories: ["**"], actions: ["everything"] }] }),
    JSON.stringify({ hash: HASH, access: [{ repositories: ["A B"], actions: ["pull"] }] }),
    JSON.stringify({ hash: HASH, access: [{ repositories: "**", actions: ["pull"] }] }),
    HASH.replace("$04$", "$13$"),
    HASH.replace("$04$", "$31$"),
    "$apr1$abc$def",
  ])("a malformed one locks the user out, with a log line: %j", async (entry) => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    await env.USERS.put("dave", entry);
    expect((await as(basic("dave"))).status).toBe(401);
    if (entry !== "") expect(logged).toHaveBeenCalledWith('{"event":"malformed-user-entry","user":"dave"}');
    vi.restoreAllMocks();
  });

  test("a removed user, a changed password and changed rights count at the next request", async () => {
    await addUser("erin");
    expect((await as(basic("erin"))).status).toBe(200);
    await addUser("erin", { access: [] });
    expect((await as(basic("erin"), "GET", "/v2/a/tags/list")).status).toBe(403);
    const { hash } = await import("bcryptjs");
    await env.USERS.put("erin", await hash("new", 4));
    expect((await as(basic("erin"))).status).toBe(401);
    expect((await as(basic("erin", "new"))).status).toBe(200);
    await env.USERS.delete("erin");
    expect((await as(basic("erin", "new"))).status).toBe(401);
  });
});

describe("bcrypt", () => {
  test("runs once for a push of 20 layers", async () => {
    for (let index = 0; index < 20; index++) {
      const location = await startUpload("a");
      expect((await close(location, sha256(`layer ${index}`), { body: `layer ${index}` })).status).toBe(201);
    }
    await pushBlob("a", "config");
    const layers = Array.from({ length: 20 }, (_, index) => `layer ${index}`);
    expect((await putManifest("a", "latest", imageOf("config", layers))).status).toBe(201);
    expect(bcryptRuns).toBe(1);
  });

  test("runs once for requests that come together, right or wrong", async () => {
    await Promise.all(Array.from({ length: 10 }, () => as(basic("admin"))));
    expect(bcryptRuns).toBe(1);
    await Promise.all(Array.from({ length: 10 }, () => as(basic("admin", "wrong"))));
    expect(bcryptRuns).toBe(2);
  });

  test("runs again after a minute", async () => {
    await as(basic("admin"));
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 61_000);
    await as(basic("admin"));
    vi.restoreAllMocks();
    expect(bcryptRuns).toBe(2);
  });
});

describe("rights", () => {
  test("a digest known from elsewhere opens nothing", async () => {
    const digest = await pushImage("secret/app", "latest", "config", ["layer"]);
    await addUser("frank", { access: [{ repositories: ["team/**"], actions: ["pull", "push", "delete"] }] });
    for (const path of [
      `manifests/${digest}`,
      `blobs/${sha256("layer")}`,
      "tags/list",
      `referrers/${digest}`,
    ]) {
      expect((await as(basic("frank"), "GET", `/v2/secret/app/${path}`)).status).toBe(403);
    }
    expect((await as(basic("frank"), "GET", `/v2/team/app/blobs/${sha256("layer")}`)).status).toBe(404);
    const headers = { Authorization: basic("frank") };
    for (const query of [`?mount=${sha256("layer")}&from=secret/app`, `?mount=${sha256("layer")}`]) {
      const response = await request("POST", `/v2/team/app/blobs/uploads/${query}`, { headers });
      expect([query, response.status]).toEqual([query, 202]);
    }
  });

  test("a mount without from finds the one repository that the caller may pull from, behind many others", async () => {
    const digest = await pushBlob("a/first", "layer");
    for (let index = 0; index < 120; index++) {
      await request("POST", `/v2/secret/r${index}/blobs/uploads/?mount=${digest}&from=a/first`);
    }
    await request("POST", `/v2/team/base/blobs/uploads/?mount=${digest}&from=a/first`);
    await addUser("grace", { access: [{ repositories: ["team/**"], actions: ["pull", "push"] }] });
    const headers = { Authorization: basic("grace") };
    const response = await request("POST", `/v2/team/app/blobs/uploads/?mount=${digest}`, { headers });
    expect(response.status).toBe(201);
  });

  test("a mount without from gives up after a thousand repositories that the caller may not see", async () => {
    const digest = await pushBlob("a/first", "layer");
    const names = JSON.stringify(Array.from({ length: 5000 }, (_, index) => `secret/r${index}`));
    for (const sql of [
      "INSERT INTO repositories (name) SELECT value FROM json_each(?1)",
      `INSERT INTO repository_blobs (repository_id, blob_id, used_at)
       SELECT repositories.id, (SELECT id FROM blobs), 1 FROM json_each(?1) JOIN repositories ON name = value`,
    ])
      await env.DB.prepare(sql).bind(names).run();
    await addUser("grace", { access: [{ repositories: ["team/**"], actions: ["pull", "push"] }] });
    const headers = { Authorization: basic("grace") };
    const costs = await measure(async () => {
      const response = await request("POST", `/v2/team/app/blobs/uploads/?mount=${digest}`, { headers });
      expect(response.status).toBe(202);
    });
    expect(costs.rowsRead).toBeGreaterThan(1000);
    expect(costs.rowsRead).toBeLessThan(3000);
  });

  test("the catalog lists what the caller may pull, in whole pages", async () => {
    await pushBlob("x", "config");
    for (let index = 0; index < 12; index++) {
      for (const name of [`team/r${10 + index}`, `secret/r${10 + index}`])
        await pushImage(name, "latest", "config", []);
    }
    await addUser("heidi", { access: [{ repositories: ["team/*"], actions: ["pull"] }] });
    const seen: string[] = [];
    for (let path: string | undefined = "/v2/_catalog?n=5"; path; ) {
      const response = await as(basic("heidi"), "GET", path);
      const { repositories } = (await response.json()) as { repositories: string[] };
      expect(repositories.length).toBeLessThanOrEqual(5);
      seen.push(...repositories);
      path = /<(.*)>/.exec(response.headers.get("Link") ?? "")?.[1];
    }
    expect(seen).toEqual(Array.from({ length: 12 }, (_, index) => `team/r${10 + index}`));
  });

  test("a refusal is the same whether the repository exists or not", async () => {
    await pushImage("secret/app", "latest", "config", []);
    await addUser("ivan", { access: [] });
    const there = await (await as(basic("ivan"), "GET", "/v2/secret/app/tags/list")).text();
    const absent = await (await as(basic("ivan"), "GET", "/v2/secret/ape/tags/list")).text();
    expect(there.replace("app", "ape")).toBe(absent);
  });
});
