/** What can be pushed: layouts and archives, whole and broken. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Failure } from "../../src/cli/failure.ts";
import type { Choice, Image } from "../../src/cli/push/image.ts";
import { openSource, readImage } from "../../src/cli/push/source.ts";
import { DOCKER_MANIFEST } from "../../src/oci/media-types.ts";
import { sha256 } from "../support/content.ts";
import { Layout, write, writeSaved } from "./support/images.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function read(source: string, choice: Partial<Choice> = {}): Promise<Image> {
  return readImage(await openSource(source), { image: null, platform: null, names: [], ...choice });
}

function tar(...args: string[]): string {
  const file = join(folder, "image.tar");
  execFileSync("tar", ["-cf", file, ...args]);
  return file;
}

const digestsOf = (image: Image) => image.manifests.map(({ digest }) => digest);

describe("an OCI layout", () => {
  let layout: Layout;
  beforeEach(() => {
    layout = new Layout(join(folder, "layout"));
  });

  test("has its blobs, and its manifest as it is", async () => {
    const root = layout.image("a", "b", "a");
    layout.index(root);
    const { blobs, manifests } = await read(layout.folder);
    expect(manifests.map(({ digest }) => digest)).toEqual([root.digest]);
    expect(blobs).toHaveLength(3);
  });

  test("has all platforms of an index, what is named before what names it", async () => {
    const one = layout.image("one");
    const two = layout.image("two");
    const list = layout.list([one, two]);
    layout.index(list);
    expect(digestsOf(await read(layout.folder))).toEqual([one.digest, two.digest, list.digest]);
  });

  test("is the index itself when index.json lists the platforms", async () => {
    const one = { ...layout.image("one"), platform: { os: "linux", architecture: "amd64" } };
    const two = { ...layout.image("two"), platform: { os: "linux", architecture: "arm64" } };
    const index = layout.index(one, two);
    expect(digestsOf(await read(layout.folder))).toEqual([
      one.digest,
      two.digest,
      sha256(Buffer.from(index)),
    ]);
    expect(digestsOf(await read(layout.folder, { platform: "linux/arm64" }))).toEqual([two.digest]);
    await expect(read(layout.folder, { platform: "linux/s390x" })).rejects.toThrow(
      /it has linux\/amd64, linux\/arm64/,
    );
  });

  test("with several images wants one chosen, by name or by the target's", async () => {
    const named = (name: string) => ({
      ...layout.image(name),
      annotations: { "org.opencontainers.image.ref.name": name },
    });
    const one = named("1");
    layout.index(one, named("2"));
    await expect(read(layout.folder, { names: ["3"] })).rejects.toThrow(/choose one with --image, of 1, 2/);
    expect(digestsOf(await read(layout.folder, { names: ["1"] }))).toEqual([one.digest]);
    expect(digestsOf(await read(layout.folder, { image: "1", names: ["2"] }))).toEqual([one.digest]);
    await expect(read(layout.folder, { image: "3" })).rejects.toThrow(/no image called 3: it has 1, 2/);
  });

  test("that lacks a platform says how to push the rest", async () => {
    const one = layout.image("one");
    const gone = layout.image("two");
    layout.index(layout.list([one, { ...gone, platform: { os: "linux", architecture: "arm64" } }]));
    rmSync(join(layout.folder, "blobs", gone.digest.replace(":", "/")));
    await expect(read(layout.folder)).rejects.toThrow(/lacks linux\/arm64 .*--platform/);
  });

  test("with a manifest that is something else is refused", async () => {
    const root = layout.image("a");
    layout.index(root);
    write(layout.folder, `blobs/${root.digest.replace(":", "/")}`, "{}");
    await expect(read(layout.folder)).rejects.toThrow(/is damaged: what it has as sha256/);
  });

  test.each([
    ["no JSON", "nonsense", /not JSON/],
    ["no list", '{"manifests":1}', /no list/],
    ["empty", '{"manifests":[]}', /no image/],
    ["without a digest", '{"manifests":[{"digest":"sha256:../../x"}]}', /without a digest/],
  ])("whose index is %s is refused", async (_, index, message) => {
    write(layout.folder, "index.json", index);
    await expect(read(layout.folder)).rejects.toThrow(message);
  });

  test.each<[string, (bytes: Buffer) => Buffer]>([
    ["plain", (bytes) => bytes],
    ["by gzip", (bytes) => gzipSync(bytes)],
    ["by zstd", (bytes) => zstdCompressSync(bytes)],
  ])("is read from an archive, compressed or not: %s", async (_, compress) => {
    const root = layout.image("a");
    layout.index(root);
    const file = tar("-C", layout.folder, ".");
    writeFileSync(file, compress(readFileSync(file)));
    expect(digestsOf(await read(file))).toEqual([root.digest]);
  });
});

describe("a docker save archive", () => {
  test("gets a manifest, and its layers keep the digests that the config names", async () => {
    const layers = writeSaved(folder, ["a", "b", "a"]);
    const { blobs, manifests } = await read(folder);
    expect(blobs.slice(1).map(({ digest }) => digest)).toEqual(layers.slice(0, 2));
    const manifest = JSON.parse(String(manifests[0]?.bytes));
    expect(manifest.mediaType).toBe(DOCKER_MANIFEST);
    expect(manifest.layers.map(({ digest }: { digest: string }) => digest)).toEqual(layers);
  });

  test("follows the link that stands for a layer that occurs twice, and long names", async () => {
    writeSaved(join(folder, "saved"), ["a", "a"]);
    rmSync(join(folder, "saved/1/layer.tar"));
    symlinkSync("../0/layer.tar", join(folder, "saved/1/layer.tar"));
    const deep = `${"long-name/".repeat(20)}file`;
    write(join(folder, "saved"), deep, "x");
    for (const format of ["gnu", "pax", "ustar"]) {
      const files = await openSource(tar(`--format=${format}`, "-C", join(folder, "saved"), "."));
      expect((await files.locate(deep))?.size, format).toBe(1);
      expect(await files.locate("1/layer.tar"), format).toEqual(await files.locate("0/layer.tar"));
    }
  });

  test("with a layer that is something else is refused", async () => {
    writeSaved(folder, ["a", "b"]);
    write(folder, "1/layer.tar", "c");
    await expect(read(folder)).rejects.toThrow(/layer 1\/layer.tar is not what its config names/);
  });

  test("that names files outside finds none of them", async () => {
    writeSaved(join(folder, "saved"), ["a"]);
    write(join(folder, "saved"), "manifest.json", '[{"Config":"../../../etc/passwd","Layers":[]}]');
    await expect(read(tar("-C", join(folder, "saved"), "."))).rejects.toThrow(
      /lacks "..\/..\/..\/etc\/passwd"/,
    );
  });
});

describe("a tar archive is refused", () => {
  const archive = () => {
    writeSaved(join(folder, "saved"), ["a".repeat(100_000)]);
    return tar("-C", join(folder, "saved"), ".");
  };

  test("cut anywhere, or it lacks what was cut off", async () => {
    const file = archive();
    const bytes = readFileSync(file);
    const end = bytes.lastIndexOf("manifest.json");
    for (let at = 0; at < Math.max(end, 0); at += 5000) {
      writeFileSync(file, bytes.subarray(0, at));
      await expect(read(file), `cut at ${at}`).rejects.toThrow(Failure);
    }
  });

  test("with any byte of a header changed, without a crash", async () => {
    const file = archive();
    const bytes = readFileSync(file);
    for (let at = 0; at < 1024; at += 3) {
      const broken = Buffer.from(bytes);
      broken[at] = (broken[at] ?? 0) ^ 0xff;
      writeFileSync(file, broken);
      const result = await read(file).catch((error: unknown) => error);
      if (result instanceof Error) expect(result, `at ${at}`).toBeInstanceOf(Failure);
    }
  });

  test.each([
    ["an absolute path", ["-P", "/etc/hostname"]],
    ["a path that climbs", ["-P", "--transform=s,^,../,", "-C", "/etc", "hostname"]],
  ])("with %s", async (_, args) => {
    await expect(openSource(tar(...args))).rejects.toThrow(/climbs out/);
  });

  test("with a link that climbs", async () => {
    symlinkSync("../../etc/passwd", join(folder, "link"));
    await expect(openSource(tar("-C", folder, "link"))).rejects.toThrow(/climbs out/);
  });
});

test("a folder that is no image, and a path that is nothing, are refused", async () => {
  await expect(read(folder)).rejects.toThrow(/neither index.json/);
  await expect(read(join(folder, "nothing"))).rejects.toThrow(/^Cannot read .*nothing: ENOENT/);
});

describe("a folder", () => {
  let inside: string;
  beforeEach(() => {
    inside = join(folder, "image");
    write(folder, "secret", "not for the registry");
  });

  function nameLayer(path: string): void {
    const list = [{ Config: "config.json", RepoTags: ["app:1"], Layers: [path] }];
    write(
      inside,
      "config.json",
      JSON.stringify({ rootfs: { diff_ids: [sha256(Buffer.from("not for the registry"))] } }),
    );
    write(inside, "manifest.json", JSON.stringify(list));
  }

  test.each(["../secret", "x/../../secret"])("gives nothing that lies outside it: %s", async (path) => {
    nameLayer(path);
    write(inside, "x/y", "");
    await expect(read(inside)).rejects.toThrow(/leads out of it/);
  });

  test("gives nothing that a link leads out to, of a file or of a folder", async () => {
    nameLayer("link");
    symlinkSync(join(folder, "secret"), join(inside, "link"));
    await expect(read(inside)).rejects.toThrow(/leads out of it/);
    nameLayer("folder/secret");
    symlinkSync(folder, join(inside, "folder"));
    await expect(read(inside)).rejects.toThrow(/leads out of it/);
  });

  test("may be a link itself, and have links within", async () => {
    nameLayer("link");
    write(inside, "layer", "not for the registry");
    symlinkSync("layer", join(inside, "link"));
    symlinkSync(inside, join(folder, "elsewhere"));
    expect((await read(join(folder, "elsewhere"))).blobs).toHaveLength(2);
  });
});
