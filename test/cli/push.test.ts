/** The push itself, against a registry in memory: order, credentials, resumption, refusals. */

import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createAgents, destroyAgents } from "../../src/cli/http/agents.ts";
import { Authorizer } from "../../src/cli/login/authorizer.ts";
import { parseChallenges } from "../../src/cli/login/challenge.ts";
import type { Credentials } from "../../src/cli/login/credentials.ts";
import { readDockerCredentials } from "../../src/cli/login/docker-credentials.ts";
import { isOwn, isSafe } from "../../src/cli/login/realm.ts";
import { createProgress } from "../../src/cli/push/progress.ts";
import { pushImage } from "../../src/cli/push/push-image.ts";
import { Registry } from "../../src/cli/push/registry.ts";
import { SavedSessions } from "../../src/cli/push/saved-sessions.ts";
import { openSource, readImage } from "../../src/cli/push/source.ts";
import { parseTarget } from "../../src/cli/push/target.ts";
import { parseRepositoryName } from "../../src/oci/reference.ts";
import { sha256 } from "../support/content.ts";
import { Layout, write } from "./support/images.ts";
import { answer, faultAfter, limitBody, MemoryRegistry, refuse } from "./support/memory-registry.ts";
import { json, ScriptedServer } from "./support/scripted-server.ts";

const large = randomBytes(500_000);
let registry: MemoryRegistry;
let folder: string;
let layout: Layout;

beforeEach(async () => {
  registry = await new MemoryRegistry().listen();
  folder = mkdtempSync(join(tmpdir(), "berth-test-"));
  layout = new Layout(join(folder, "layout"));
});
afterEach(() => {
  registry.close();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

interface Setting {
  credentials?: Credentials;
  mountFrom?: string;
  pauses?: number[];
  maxBody?: number;
  mayLogInAt?: (realm: URL) => Promise<boolean>;
}

async function push(setting: Setting = {}) {
  const { credentials = null, mountFrom, pauses = [1, 1], maxBody = 1_000_000, mayLogInAt } = setting;
  const agents = createAgents();
  const target = parseTarget(`${registry.origin}/app:1`);
  const log: string[] = [];
  const scopes = ["repository:app:pull,push"];
  const authorizer = new Authorizer(agents, target.origin, scopes, credentials, mayLogInAt);
  const client = new Registry(target, agents, authorizer, pauses, (line) => log.push(line));
  const files = await openSource(layout.folder);
  const image = await readImage(files, { image: null, platform: null, names: [] });
  const settings = {
    chunk: 100_000,
    maxBody,
    mountFrom: mountFrom === undefined ? null : parseRepositoryName(mountFrom),
    label: files.label,
    log: (line: string) => log.push(line),
  };
  const sessions = new SavedSessions("here", join(folder, "sessions"));
  const progress = createProgress(
    Object.assign(Object.create(process.stderr), { isTTY: false, write: () => true }),
  );
  try {
    const summary = await pushImage(client, image, target.tag, settings, sessions, progress);
    return { ...summary, log };
  } finally {
    destroyAgents(agents);
  }
}

describe("a push", () => {
  test("puts blobs, then manifests, and the tag last of all", async () => {
    const list = layout.list([layout.image("one"), layout.image(large)]);
    layout.index(list);
    expect(await push()).toMatchObject({ sent: 3, skipped: 0 });
    expect(registry.blobs.get(sha256(large))).toEqual(large);
    const puts = registry.requests("PUT").map((line) => line.split("/")[3]);
    expect(puts.slice(-3)).toEqual(["manifests", "manifests", "manifests"]);
    expect(registry.requests("PUT").at(-1)).toBe("PUT /v2/app/manifests/1");
    expect(sha256(registry.manifests.get("1") ?? Buffer.alloc(0))).toBe(list.digest);
  });

  test("sends no request that is larger than what gets through", async () => {
    layout.index(layout.image(large.subarray(0, 90_000)));
    registry.fault = limitBody(50_000);
    expect(await push({ maxBody: 50_000 })).toMatchObject({ sent: 2 });
    expect(registry.requests("PATCH")).toHaveLength(2);
  });

  test("skips what is there", async () => {
    layout.index(layout.image("one"));
    await push();
    expect(await push()).toMatchObject({ sent: 0, skipped: 2 });
  });

  test("uses the session that a refused mount has begun", async () => {
    layout.index(layout.image("one"));
    expect(await push({ mountFrom: "base" })).toMatchObject({ sent: 2, mounted: 0 });
    expect(registry.requests("POST")).toHaveLength(2);
  });

  test("goes on in the session that an interrupted one has left, and forgets it then", async () => {
    layout.index(layout.image(large));
    registry.fault = (request, response) =>
      request.headers["content-range"]?.startsWith("200000-") ? answer(403)(request, response) : false;
    await expect(push()).rejects.toThrow(/refuses .*403 Forbidden/);
    expect(registry.blobs.has(sha256(large))).toBe(false);
    expect(registry.manifests.size).toBe(0);
    await expect.poll(() => readdirSync(join(folder, "sessions"))).toHaveLength(1);

    registry.fault = () => false;
    expect(await push()).toMatchObject({ resumedBytes: 200_000, sentBytes: 300_000 });
    expect(readdirSync(join(folder, "sessions"))).toEqual([]);
    expect(registry.blobs.get(sha256(large))).toEqual(large);
  });

  test("does not trust a session whose bytes turn out to be others", async () => {
    layout.index(layout.image(large));
    registry.fault = faultAfter("PATCH", 2, answer(403));
    await expect(push()).rejects.toThrow(/403/);
    for (const session of registry.sessions.values()) session.bytes.fill(0);
    registry.fault = () => false;
    expect(await push()).toMatchObject({ resumedBytes: 0, sentBytes: 500_000 });
    expect(registry.blobs.get(sha256(large))).toEqual(large);
  });

  test.each([
    ["asked for its status", 500, ["GET", "PATCH", "PUT"]],
    ["asked for its status", 503, ["GET", "PATCH", "PUT"]],
    ["given bytes", 500, ["PATCH", "PUT"]],
  ])(
    "gives up a session that it was left, and that fails whenever it is %s (%i)",
    async (_, status, methods) => {
      layout.index(layout.image(large));
      registry.fault = faultAfter("PATCH", 2, answer(403));
      await expect(push()).rejects.toThrow(/403/);
      const [left] = registry.sessions.keys();
      registry.fault = (request, response) =>
        request.url?.includes(left ?? "?") && methods.includes(request.method ?? "")
          ? answer(status)(request, response)
          : false;
      const { log, ...summary } = await push();
      expect(summary).toMatchObject({ resumedBytes: 0, sentBytes: 500_000 });
      expect(log).toContainEqual(
        expect.stringMatching(/what an earlier push began fails every time; beginning again/),
      );
      expect(registry.blobs.get(sha256(large))).toEqual(large);
      expect(readdirSync(join(folder, "sessions"))).toEqual([]);
    },
  );

  test("keeps a session that it was left while the registry is away", async () => {
    layout.index(layout.image(large));
    registry.fault = faultAfter("PATCH", 2, answer(403));
    await expect(push()).rejects.toThrow(/403/);
    registry.fault = (request, response) =>
      request.url?.includes("/uploads/") ? answer(503)(request, response) : false;
    await expect(push()).rejects.toThrow(/503/);
    registry.fault = () => false;
    expect(await push()).toMatchObject({ resumedBytes: 200_000, sentBytes: 300_000 });
  });

  test("begins a blob anew when the registry has lost its session", async () => {
    layout.index(layout.image(large));
    registry.fault = faultAfter("PATCH", 2, () => {
      registry.sessions.clear();
      return false;
    });
    expect((await push()).log).toContainEqual(expect.stringMatching(/lost the upload; beginning again/));
    expect(registry.blobs.get(sha256(large))).toEqual(large);
  });

  test("sends nothing of a blob that is not what its digest says, and no manifest", async () => {
    layout.index(layout.image(large));
    write(layout.folder, `blobs/${sha256(large).replace(":", "/")}`, "other");
    await expect(push()).rejects.toThrow(/is damaged/);
    expect(registry.manifests.size).toBe(0);
  });

  test("says what a full registry says, in one line", async () => {
    layout.index(layout.image(large));
    registry.fault = faultAfter("PATCH", 0, (request, response) => {
      request.resume();
      refuse(response, 507, "UNKNOWN");
      return true;
    });
    await expect(push()).rejects.toThrow(/507 UNKNOWN: refused with 507. Is its storage full\?/);
  });
});

describe("credentials", () => {
  const user: Credentials = { kind: "password", user: "u", password: "p:ß" };
  const basic = `Basic ${Buffer.from("u:p:ß").toString("base64")}`;

  function demand(header: string, challenge: string): void {
    registry.fault = (request, response) => {
      if (request.url?.startsWith("/token") || request.headers.authorization === header) return false;
      request.resume();
      refuse(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": challenge });
      return true;
    };
  }

  beforeEach(() => layout.index(layout.image(large)));

  test("answer a Basic challenge", async () => {
    demand(basic, 'Basic realm="x"');
    expect(await push({ credentials: user })).toMatchObject({ sent: 2 });
  });

  test("that are wrong, or missing, are said to be", async () => {
    demand("Basic other", 'Basic realm="x"');
    await expect(push({ credentials: user })).rejects.toThrow(/refuses these credentials/);
    await expect(push()).rejects.toThrow(/wants credentials: run docker login 127/);
  });

  test("get a token, and another one when it runs out in the middle of a blob", async () => {
    let issued = 0;
    let uses = 0;
    registry.fault = (request, response) => {
      if (request.url?.startsWith("/token")) {
        const { searchParams } = new URL(request.url, registry.origin);
        expect(request.headers.authorization).toBe(basic);
        expect(searchParams.getAll("scope")).toEqual(["repository:app:pull,push"]);
        expect(searchParams.get("service")).toBe("s");
        issued += 1;
        uses = 0;
        response.end(JSON.stringify({ token: `t${issued}` }));
        return true;
      }
      uses += 1;
      if (request.headers.authorization === `Bearer t${issued}` && uses <= 4) return false;
      request.resume();
      const challenge = `Bearer realm="${registry.origin}/token",service="s",scope="repository:app:pull"`;
      refuse(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": challenge });
      return true;
    };
    expect(await push({ credentials: user })).toMatchObject({ sent: 2 });
    expect(issued).toBeGreaterThan(1);
    expect(registry.blobs.get(sha256(large))).toEqual(large);
  });

  test("are read as docker wrote them", async () => {
    const auth = Buffer.from("u:p:w").toString("base64");
    const auths = {
      "https://old.example/v1/": { auth },
      "new.example:5000": { auth },
      "t.example": { identitytoken: "i" },
    };
    write(folder, "config.json", JSON.stringify({ auths }));
    vi.stubEnv("DOCKER_CONFIG", folder);
    const expected = { kind: "password", user: "u", password: "p:w" };
    expect(await readDockerCredentials("old.example")).toEqual(expected);
    expect(await readDockerCredentials("new.example:5000")).toEqual(expected);
    expect(await readDockerCredentials("t.example")).toEqual({ kind: "identity-token", token: "i" });
    expect(await readDockerCredentials("new.example")).toBeNull();
    write(folder, "config.json", "{");
    await expect(readDockerCredentials("x")).rejects.toThrow(/Cannot read docker's configuration/);
  });

  test("come from a credential helper", async () => {
    write(
      folder,
      "config.json",
      '{"credsStore":"none","credHelpers":{"a.example":"test","b.example":"missing"}}',
    );
    write(
      folder,
      "docker-credential-test",
      '#!/bin/sh\nread h; echo "{\\"Username\\":\\"u\\",\\"Secret\\":\\"$h\\"}"\n',
    );
    write(
      folder,
      "docker-credential-none",
      "#!/bin/sh\necho credentials not found in native keychain; exit 1\n",
    );
    for (const name of ["test", "none"]) chmodSync(join(folder, `docker-credential-${name}`), 0o755);
    vi.stubEnv("DOCKER_CONFIG", folder);
    vi.stubEnv("PATH", `${folder}:${process.env.PATH}`);
    const expected = { kind: "password", user: "u", password: "a.example" };
    expect(await readDockerCredentials("a.example")).toEqual(expected);
    expect(await readDockerCredentials("c.example")).toBeNull();
    await expect(readDockerCredentials("b.example")).rejects.toThrow(
      /docker-credential-missing cannot be run/,
    );
  });
});

describe("a realm on another host", () => {
  let elsewhere: ScriptedServer;
  const user: Credentials = { kind: "password", user: "u", password: "p" };
  beforeEach(async () => {
    layout.index(layout.image("one"));
    elsewhere = await new ScriptedServer().listen();
    elsewhere.reply = (_, response) => json(response, 200, { token: "t" });
    registry.fault = (request, response) => {
      if (request.headers.authorization === "Bearer t") return false;
      request.resume();
      const realm = `http://localhost:${elsewhere.host.split(":")[1]}/token`;
      refuse(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": `Bearer realm="${realm}"` });
      return true;
    };
  });
  afterEach(() => elsewhere.close());

  test("gets no password unasked", async () => {
    await expect(push({ credentials: user })).rejects.toThrow(
      /no password is sent there .*--allow-realm localhost:/,
    );
    expect(elsewhere.asked).toEqual([]);
  });

  test("gets it when the user agrees, who is asked once", async () => {
    const asked: string[] = [];
    const mayLogInAt = async ({ hostname }: URL) => asked.push(hostname) > 0;
    expect(await push({ credentials: user, mayLogInAt })).toMatchObject({ sent: 2 });
    expect(asked).toEqual(["localhost"]);
    expect(elsewhere.asked[0]?.authorization).toBe(`Basic ${btoa("u:p")}`);
  });

  test("gives a token to whoever has no password to lose", async () => {
    expect(await push()).toMatchObject({ sent: 2 });
    expect(elsewhere.asked[0]?.authorization).toBeUndefined();
  });

  test.each([
    ["https://r.example", "https://r.example:8443", true],
    ["https://docker.io", "https://auth.docker.io", true],
    ["https://registry-1.docker.io", "https://auth.docker.io", true],
    ["https://registry.gitlab.com", "https://gitlab.com", true],
    ["https://r.example", "https://evil.example", false],
    ["https://alice.github.io", "https://mallory.github.io", false],
    ["https://r.example", "https://notr.example", false],
    ["https://r.example", "https://r.example.evil.com", false],
    ["https://registry.example", "https://example", false],
  ])("is the registry's own or not: of %s, %s: %s", (origin, realm, own) => {
    expect(isOwn(new URL(origin), new URL(realm))).toBe(own);
  });

  test.each([
    ["https://r.example", "http://r.example", false],
    ["http://r.example", "http://r.example", true],
    ["http://127.0.0.1:5000", "http://r.example", false],
    ["http://127.0.0.1:5000", "http://localhost:5001", true],
    ["https://r.example", "ftp://r.example", false],
  ])("is asked in the clear or not: of %s, %s: %s", (origin, realm, safe) => {
    expect(isSafe(new URL(origin), new URL(realm))).toBe(safe);
  });
});

describe("a challenge", () => {
  test.each([
    ['Basic realm="a b"', [{ scheme: "basic", parameters: { realm: "a b" } }]],
    ["BASIC", [{ scheme: "basic", parameters: {} }]],
    [
      'Bearer realm="https://h/t?a=1,b",service=s,scope="a:b:pull,push", Basic realm="x\\"y"',
      [
        {
          scheme: "bearer",
          parameters: { realm: "https://h/t?a=1,b", service: "s", scope: "a:b:pull,push" },
        },
        { scheme: "basic", parameters: { realm: 'x"y' } },
      ],
    ],
    ["", []],
  ])("is read: %s", (header, expected) => {
    expect(parseChallenges(header)).toEqual(expected);
  });
});

describe("a target", () => {
  test.each([
    ["registry.example.com/team/app:1", "https://registry.example.com", "team/app", "1"],
    ["localhost/app:1", "http://localhost", "app", "1"],
    ["127.0.0.1:5000/app:v1.0", "http://127.0.0.1:5000", "app", "v1.0"],
    ["https://127.0.0.1:5000/app:1", "https://127.0.0.1:5000", "app", "1"],
    ["http://registry:5000/app:1", "http://registry:5000", "app", "1"],
    ["[::1]:5000/app:1", "http://[::1]:5000", "app", "1"],
  ])("is read: %s", (text, origin, name, tag) => {
    const target = parseTarget(text);
    expect({ origin: target.origin.origin, name: target.name, tag: target.tag }).toEqual({
      origin,
      name,
      tag,
    });
  });

  test.each([
    ["app:1", /names no registry/],
    ["team/app:1", /names no registry/],
    ["r.example/app", /has no tag: write r.example\/app:TAG/],
    ["r.example/App:1", /lower-case/],
    ["r.example/app:-1", /malformed tag/],
    [`r.example/app@sha256:${"0".repeat(64)}`, /Push to a tag/],
    ["r.example/:1", /malformed repository name/],
  ])("is refused: %s", (text, message) => {
    expect(() => parseTarget(text)).toThrow(message);
  });
});
