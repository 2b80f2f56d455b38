/** `berth export`, from a registry in memory: the layout that it writes, and what berth push makes of it. */

import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { sha256 } from "../support/content.ts";
import { answer, MemoryRegistry, refuse } from "./support/memory-registry.ts";
import { type Ending, runBerth } from "./support/program.ts";
import { SourceImages } from "./support/source-images.ts";

let registry: MemoryRegistry;
let images: SourceImages;
let folder: string;
let layout: string;
beforeEach(async () => {
  registry = await new MemoryRegistry().listen();
  images = new SourceImages(registry);
  folder = mkdtempSync(join(tmpdir(), "berth-test-"));
  layout = join(folder, "layout");
});
afterEach(() => {
  registry.close();
  rmSync(folder, { recursive: true });
});

const around = () => ({ env: { DOCKER_CONFIG: folder, XDG_CACHE_HOME: folder } });

function run(...args: string[]): Promise<Ending> {
  return runBerth(["export", ...args, layout, "--registry", registry.origin], around());
}

function index(): { digest: string; annotations?: Record<string, string> }[] {
  return JSON.parse(readFileSync(join(layout, "index.json"), "utf8")).manifests;
}

function names(): [name: string | undefined, digest: string][] {
  return index().map(({ digest, annotations }) => [
    annotations?.["org.opencontainers.image.ref.name"],
    digest,
  ]);
}

/** Each file under blobs is named after what it hashes to. @returns their digests */
function blobs(): string[] {
  return readdirSync(join(layout, "blobs/sha256")).map((name) => {
    expect(sha256(readFileSync(join(layout, "blobs/sha256", name)))).toBe(`sha256:${name}`);
    return `sha256:${name}`;
  });
}

function expectAll(): void {
  const manifests = [...registry.manifests.keys()].filter((reference) => reference.includes(":"));
  expect(blobs().sort()).toEqual([...registry.blobs.keys(), ...manifests].sort());
}

describe("a layout", () => {
  test("has every tag under its name, with what it names, and what refers to it", async () => {
    const one = images.image("1", "one");
    const platform = images.image(undefined, "amd64");
    const all = images.index("all", platform, images.image(undefined, "arm64"));
    const signature = images.image(undefined, "signature", { subject: images.describe(platform) });
    const { code, stdout } = await run("app");
    expect([code, stdout]).toEqual([
      0,
      "2 tags copied, 0 were there; 5 manifests and 5 blobs (24 B) written.\n",
    ]);
    expect(names()).toEqual([
      ["app:1", one],
      ["app:all", all],
      [undefined, signature],
    ]);
    expectAll();
    expect(JSON.parse(readFileSync(join(layout, "oci-layout"), "utf8"))).toEqual({
      imageLayoutVersion: "1.0.0",
    });
    expect(readdirSync(layout).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });

  test("is read by berth push, which puts the same bytes there again", async () => {
    images.index("all", images.image(undefined, "amd64"), images.image(undefined, "arm64"));
    images.image("other", "other");
    expect((await run("app")).code).toBe(0);
    const before = new Map(registry.manifests);
    registry.manifests.clear();
    registry.blobs.clear();
    const { code } = await runBerth(["push", layout, `${registry.origin}/app:all`], around());
    expect(code).toBe(0);
    expect(registry.manifests.get("all")).toEqual(before.get("all"));
    expect(registry.manifests.has("other")).toBe(false);
  });

  test("takes more in, follows a tag that has moved, and fetches nothing twice", async () => {
    images.image("1", "one");
    await run("app:1");
    const moved = images.image("1", "another");
    const two = images.image("2", "two");
    expect((await run("app:1", "other:2")).stdout).toMatch(
      /^2 tags copied, 0 were there; 2 manifests and 2 blobs/,
    );
    expect(names()).toEqual([
      ["app:1", moved],
      ["other:2", two],
    ]);
    registry.log.length = 0;
    expect((await run("app:1", "other:2")).stdout).toMatch(
      /^0 tags copied, 2 were there; 0 manifests and 0 blobs/,
    );
    expect(registry.requests("GET").filter((line) => /manifests|blobs/.test(line))).toEqual([]);
  });

  test("can be of one digest, and of all that there is", async () => {
    const digest = images.image("1", "one");
    await run(`app@${digest}`);
    expect(names()).toEqual([[`app@${digest}`, digest]]);
    registry.repositories = ["app", "team/app"];
    expect((await run("--all", "--json")).code).toBe(0);
    expect(names().map(([name]) => name)).toEqual([`app@${digest}`, "app:1", "team/app:1"]);
  });

  test("that was interrupted is gone on with in the middle of a blob", async () => {
    const large = randomBytes(3_000_000);
    images.image("1", large);
    registry.fault = (request, response) => {
      if (request.method !== "GET" || !request.url?.includes(sha256(large))) return false;
      if (request.headers.range !== undefined) return answer(404)(request, response);
      response.writeHead(200, { "Content-Length": large.length });
      response.write(large.subarray(0, 1_000_000));
      const partial = join(layout, ".partial", sha256(large).replace(":", "-"));
      void vi
        .waitFor(() => expect(statSync(partial).size).toBe(1_000_000), 30_000)
        .finally(() => response.destroy());
      return true;
    };
    expect((await run("app:1")).code).toBe(1);
    expect(names()).toEqual([]);
    registry.fault = () => false;
    expect(await run("app:1")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/\(2.0 MB\) written, 1.0 MB were left from before/),
    });
    expectAll();
    expect(existsSync(join(layout, ".partial"))).toBe(false);
  });
});

describe("is refused", () => {
  test("what has other bytes than its digest says: then it is under no name, and the others are", async () => {
    images.image("bad", "bad layer");
    images.image("good", "good layer");
    registry.blobs.set(sha256(Buffer.from("bad layer")), Buffer.from("bad liars"));
    const { code, stdout } = await run("app");
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^1 tag copied, 0 were there, 1 failed/)]);
    expect(names().map(([name]) => name)).toEqual(["app:good"]);
    blobs();
  });

  test("a folder that holds something else", async () => {
    mkdirSync(layout);
    writeFileSync(join(layout, "precious"), "");
    expect(await run("app")).toMatchObject({ code: 2, stderr: expect.stringMatching(/no OCI layout/) });
    expect(readdirSync(layout)).toEqual(["precious"]);
  });

  test.each([[[]], [["--all", "app"]], [["App"]], [["app:"]], [["app@sha256:1"]]])("%j", async (args) => {
    expect((await run(...args)).code).toBe(2);
    expect(registry.log).toEqual([]);
  });

  test("what the registry does not have, or does not let this user see", async () => {
    expect(await run("app:1")).toMatchObject({ code: 1, stderr: expect.stringMatching(/has no app:1/) });
    expect(await run("app")).toMatchObject({ code: 1, stderr: expect.stringMatching(/has no such images/) });
    registry.fault = (request, response) => {
      if (!request.url?.includes("manifests")) return false;
      refuse(response, 403, "DENIED");
      return true;
    };
    expect(await run("app:1")).toMatchObject({ code: 1, stderr: expect.stringMatching(/403/) });
  });
});
