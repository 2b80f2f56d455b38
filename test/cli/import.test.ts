/** `berth import`, between two registries in memory: what comes over, what is skipped, and what goes wrong. */

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isBelow, parseImportSource } from "../../src/cli/import/source.ts";
import { OCI_INDEX } from "../../src/oci/media-types.ts";
import { sha256 } from "../support/content.ts";
import { answer, cut, faultAfter, MemoryRegistry, refuse } from "./support/memory-registry.ts";
import { type Ending, runBerth } from "./support/program.ts";
import { SourceImages } from "./support/source-images.ts";

let from: MemoryRegistry;
let to: MemoryRegistry;
let images: SourceImages;
let folder: string;
beforeEach(async () => {
  from = await new MemoryRegistry().listen();
  to = await new MemoryRegistry().listen();
  images = new SourceImages(from);
  folder = mkdtempSync(join(tmpdir(), "berth-test-"));
});
afterEach(() => {
  from.close();
  to.close();
  rmSync(folder, { recursive: true });
});

function run(...args: string[]): Promise<Ending> {
  return runBerth(["import", from.origin, "--registry", to.origin, ...args], {
    env: { DOCKER_CONFIG: folder, XDG_CACHE_HOME: folder },
  });
}

const image = (...args: Parameters<SourceImages["image"]>) => images.image(...args);
const index = (...args: Parameters<SourceImages["index"]>) => images.index(...args);
const subject = (digest: string) => images.describe(digest);

/** Everything that the source has is there, byte for byte. */
function expectAll(): void {
  expect(new Map([...to.manifests].sort())).toEqual(new Map([...from.manifests].sort()));
  expect(new Map([...to.blobs].sort())).toEqual(new Map([...from.blobs].sort()));
}

describe("an import", () => {
  test("brings every tag with what it names, over pages, and the second time nothing", async () => {
    for (const tag of ["one", "two", "three", "four", "five"]) image(tag, `layer ${tag}`);
    index("all", image(undefined, "amd64"), image(undefined, "arm64"));
    const { code, stdout } = await run();
    expect([code, stdout]).toEqual([
      0,
      "6 tags copied, 0 were there; 8 manifests and 8 blobs (61 B) sent.\n",
    ]);
    expectAll();
    from.log.length = 0;
    to.log.length = 0;
    expect((await run()).stdout).toBe("0 tags copied, 6 were there; 0 manifests and 0 blobs (0 B) sent.\n");
    expect([...to.requests("PUT"), ...to.requests("POST"), ...to.requests("PATCH")]).toEqual([]);
    expect(from.requests("GET").filter((line) => /manifests|blobs/.test(line))).toEqual([]);
  });

  test("brings what refers to an image, to its platforms, and to what refers to them", async () => {
    const platform = image(undefined, "amd64");
    const root = index("app", platform);
    const signature = image(undefined, "signature", { subject: subject(platform) });
    image(undefined, "of the signature", { subject: subject(signature) });
    image(undefined, "bill of materials", { subject: subject(root) });
    expect((await run()).code).toBe(0);
    expectAll();
  });

  test("brings new referrers of images that are there already", async () => {
    const digest = image("app", "layer");
    await run();
    image(undefined, "signature", { subject: subject(digest) });
    expect((await run()).stdout).toBe("0 tags copied, 1 was there; 1 manifest and 1 blob (9 B) sent.\n");
    expectAll();
  });

  test("does not wait for ever on a referrer that names its own subject", async () => {
    const digest = image("app", "layer");
    const manifests = [subject(digest)];
    from.keep({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, subject: subject(digest) });
    expect((await run()).code).toBe(0);
    expectAll();
  });

  test("takes referrers from tags where the source has no list of them, and asks for it once", async () => {
    from.listsReferrers = false;
    const digest = image("app", "layer");
    index(`sha256-${digest.slice(7)}`, image(undefined, "signature", { subject: subject(digest) }));
    expect((await run()).code).toBe(0);
    expectAll();
    expect(from.log.filter((line) => line.includes("/referrers/"))).toHaveLength(1);
  });

  test("mounts what the target has elsewhere", async () => {
    image("app", "layer");
    to.mounts = true;
    for (const [digest, bytes] of from.blobs) to.blobs.set(digest, bytes);
    // There, but not in this repository.
    to.fault = (request, response) => {
      if (request.method !== "HEAD" || !request.url?.includes("/blobs/")) return false;
      response.writeHead(404).end();
      return true;
    };
    expect((await run()).stdout).toBe(
      "1 tag copied, 0 were there; 1 manifest and 0 blobs (0 B) sent, 2 blobs mounted.\n",
    );
  });

  test("says with --dry-run what it would do, and does nothing", async () => {
    image("app", "layer");
    expect(await run("--dry-run")).toMatchObject({
      code: 0,
      stdout: "1 tag would be copied, 0 were there; 1 manifest and 2 blobs (7 B) would be sent.\n",
    });
    expect(to.log.filter((line) => !/^(GET|HEAD) /.test(line))).toEqual([]);
  });

  test("tells each tag and the sums as JSON", async () => {
    const digest = image("app", "layer");
    const lines = (await run("--json")).stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { repository: "app", tag: "app", digest, outcome: "copied", error: null },
      {
        dryRun: false,
        tags: { copied: 1, present: 0, failed: 0 },
        manifests: 1,
        blobs: { sent: 2, mounted: 0, present: 0 },
        bytes: 7,
        resumed: 0,
      },
    ]);
  });
});

describe("of a registry", () => {
  test("those repositories come over that are below the prefix, and under another one if told", async () => {
    from.repositories = ["team", "team-b/app", "team/app", "team/tools", "zoo"];
    image("1", "layer");
    const { code } = await runBerth(
      ["import", `${from.origin}/team`, "--registry", to.origin, "--into", "mirror/of"],
      { env: { DOCKER_CONFIG: folder, XDG_CACHE_HOME: folder } },
    );
    expect(code).toBe(0);
    const names = to.log.flatMap((line) => /^PUT \/v2\/(.*)\/manifests\/1$/.exec(line)?.[1] ?? []);
    // One memory holds all repositories, so that the tag is there after the first.
    expect(names).toEqual(["mirror/of/team"]);
    const asked = new Set(from.log.flatMap((line) => /^GET \/v2\/(.*)\/tags\/list/.exec(line)?.[1] ?? []));
    expect([...asked]).toEqual(["team", "team/app", "team/tools"]);
  });

  test("that lists nothing a repository is named, or taken from the address", async () => {
    image("1", "layer");
    const noCatalog = (fault: typeof from.fault): typeof from.fault => {
      return (request, response) => {
        if (!request.url?.startsWith("/v2/_catalog")) return fault(request, response);
        refuse(response, 404, "UNSUPPORTED");
        return true;
      };
    };
    from.fault = noCatalog(() => false);
    expect(await run()).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/name them with --repository/),
    });
    expect((await run("--repository", "app")).code).toBe(0);
    to.manifests.clear();
    const { code } = await runBerth(["import", `${from.origin}/library/app`, "--registry", to.origin], {
      env: { DOCKER_CONFIG: folder, XDG_CACHE_HOME: folder },
    });
    expect(code).toBe(0);
    expect(to.log).toContain("PUT /v2/library/app/manifests/1");
  });

  test("that has nothing below the prefix says so", async () => {
    const ended = await runBerth(["import", `${from.origin}/nothing`, "--registry", to.origin], {
      env: { DOCKER_CONFIG: folder },
    });
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(/has no repository nothing/) });
  });
});

describe("when the source", () => {
  const large = randomBytes(3_000_000);

  test("breaks off in a blob, it is read on from there", async () => {
    image("app", large);
    let breaks = 0;
    from.fault = (request, response) => {
      if (!request.url?.includes(sha256(large)) || request.method !== "GET" || breaks === 2) return false;
      breaks += 1;
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(start === 0 ? 200 : 206, { "Content-Length": large.length - start });
      response.write(large.subarray(start, start + 1_000_000), () =>
        setTimeout(() => response.destroy(), 50),
      );
      return true;
    };
    expect((await run()).code).toBe(0);
    expect(breaks).toBe(2);
    expectAll();
  });

  test("wants tokens, and one runs out where a blob breaks off, it is read on with another", async () => {
    image("app", large);
    let issued = 0;
    let uses = 0;
    let isCut = false;
    from.fault = (request, response) => {
      if (request.url?.startsWith("/token")) {
        issued += 1;
        uses = 0;
        response.end(JSON.stringify({ token: `t${issued}`, expires_in: 60 }));
        return true;
      }
      uses += 1;
      if (request.headers.authorization !== `Bearer t${issued}` || uses > 3) {
        const challenge = `Bearer realm="${from.origin}/token",service="s"`;
        refuse(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": challenge });
        return true;
      }
      if (isCut || request.method !== "GET" || !request.url?.includes(sha256(large))) return false;
      isCut = true;
      // No use of the token is left for what comes behind the cut.
      uses = 3;
      response.writeHead(200, { "Content-Length": large.length });
      response.write(large.subarray(0, 1_000_000), () => setTimeout(() => response.destroy(), 50));
      return true;
    };
    const { code, stderr } = await run();
    expect(code, stderr).toBe(0);
    expect([isCut, issued]).toEqual([true, expect.toSatisfy((count: number) => count > 1)]);
    expectAll();
  });

  test("has no ranges, it is read again up to there", async () => {
    image("app", large);
    from.ranges = false;
    from.fault = faultAfter("GET", 2, (request, response) => {
      if (!request.url?.includes("/blobs/")) return false;
      response.writeHead(200, { "Content-Length": large.length });
      response.write(large.subarray(0, 1_000_000), () => setTimeout(() => response.destroy(), 50));
      return true;
    });
    expect((await run("--chunk", "1MB")).code).toBe(0);
    expectAll();
  });

  test("has other bytes than a digest says, its tag fails and the others come over", async () => {
    image("good", "good layer");
    image("bad", "bad layer");
    from.blobs.set(sha256(Buffer.from("bad layer")), Buffer.from("evil layer".slice(0, 9)));
    const { code, stdout, stderr } = await run();
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^1 tag copied, 0 were there, 1 failed; /)]);
    expect(stderr).toMatch(/^failed {3}app:bad {2}.*its bytes are something else/m);
    expect([to.manifests.has("good"), to.manifests.has("bad")]).toEqual([true, false]);
    expect(to.blobs.has(sha256(Buffer.from("bad layer")))).toBe(false);
  });

  test("has another manifest than its digest says, that is refused", async () => {
    const digest = image("app", "layer");
    from.manifests.set(digest, Buffer.from(from.manifests.get(digest)?.toString().replace("2", "3") ?? ""));
    const { code, stderr } = await run();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/gave something else than sha256/)]);
    expect(to.manifests.size).toBe(0);
  });

  test("asks for patience, it gets it", async () => {
    image("app", "layer");
    let refused = 0;
    const busy = answer(429, { "Retry-After": "1" });
    from.fault = (request, response) => {
      if (!request.url?.includes("/manifests/") || refused === 2) return false;
      refused += 1;
      return busy(request, response);
    };
    const began = Date.now();
    const { code, stderr } = await run();
    expect([code, stderr]).toEqual([0, expect.stringMatching(/429 .*trying again in 1 s/)]);
    expect(Date.now() - began).toBeGreaterThan(2000);
    expectAll();
  });

  test("sends elsewhere for a blob, the password stays behind", async () => {
    image("app", "layer");
    const bucket = await new MemoryRegistry().listen();
    for (const [digest, bytes] of from.blobs) bucket.blobs.set(digest, bytes);
    const seen: (string | undefined)[] = [];
    bucket.fault = (request) => {
      seen.push(request.headers.authorization);
      return false;
    };
    from.fault = (request, response) => {
      if (request.method !== "GET" || !request.url?.includes("/blobs/")) return false;
      response.writeHead(307, { Location: `${bucket.origin}${request.url}` }).end();
      return true;
    };
    expect((await run()).code).toBe(0);
    bucket.close();
    expectAll();
    expect(seen).toEqual([undefined, undefined]);
  });
});

describe("when the target", () => {
  test("is lost in the middle, the next import goes on where it was", async () => {
    const large = randomBytes(500_000);
    image("app", large);
    to.fault = (request, response) => {
      const start = Number(/^(\d+)-/.exec(request.headers["content-range"] ?? "")?.[1] ?? 0);
      if (request.method !== "PATCH" || start < 200_000) return false;
      return answer(403)(request, response);
    };
    const first = await run("--chunk", "100kB");
    expect([first.code, to.manifests.size]).toEqual([1, 0]);
    to.fault = () => false;
    const { code, stdout } = await run("--chunk", "100kB");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/200.0 kB were left from before/)]);
    expectAll();
  });

  test("drops a connection, the chunk is read and sent again", async () => {
    const large = randomBytes(500_000);
    image("app", large);
    to.fault = faultAfter("PATCH", 2, cut);
    expect((await run("--chunk", "100kB")).code).toBe(0);
    expectAll();
  });

  test("refuses a manifest, its tag fails with what it says", async () => {
    image("app", "layer");
    to.fault = (request, response) => {
      if (request.method !== "PUT" || !request.url?.includes("/manifests/")) return false;
      refuse(response, 403, "DENIED");
      return true;
    };
    const { code, stderr } = await run();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^failed {3}app:app {2}.*403 DENIED/m)]);
  });
});

test.each([
  ["registry.example.org", "https://registry.example.org", null],
  ["registry.example.org/team/", "https://registry.example.org", "team"],
  ["http://127.0.0.1:5000/a/b", "http://127.0.0.1:5000", "a/b"],
  ["docker.io/library/busybox", "https://registry-1.docker.io", "library/busybox"],
])("%s is read at %s", (text, origin, prefix) => {
  const source = parseImportSource(text);
  expect([source.origin.origin, source.prefix]).toEqual([origin, prefix]);
});

test.each([
  "team/app",
  "registry.example.org/app:1",
  "registry.example.org/app@sha256:0",
  "https://",
  "a b.c",
])("%s is no source", async (text) => {
  expect(() => parseImportSource(text)).toThrow(/name|address/);
  expect((await runBerth(["import", text])).code).toBe(2);
});

test("a prefix ends at a slash", () => {
  expect(["team", "team/a", "team/a/b"].map((name) => isBelow(name, "team"))).toEqual([true, true, true]);
  expect(["teams", "team-b", "tea"].map((name) => isBelow(name, "team"))).toEqual([false, false, false]);
});
