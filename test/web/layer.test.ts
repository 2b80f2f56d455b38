/** The files of a layer: whatever wrote it, however it is compressed, and no further than a limit. */

import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { ByteRange } from "../../src/oci/range.ts";
import { type Limits, listLayer } from "../../src/web/layer/listing.ts";
import { TarReader } from "../../src/web/layer/tar.ts";
import { Browser, textOfPage } from "../support/browser.ts";
import { measure } from "../support/meter.ts";
import { noise, pushBlob, sha256, streamOf } from "../support/registry.ts";
import { addUser } from "../support/users.ts";
import { XSS } from "./images.ts";

interface File {
  path: string;
  type?: string;
  content?: string;
  target?: string;
}

/** A block of a header, with its checksum. */
function header({ path, type = "0", content = "", target = "" }: File): Buffer {
  const block = Buffer.alloc(512);
  block.write(path.slice(0, 100), 0);
  block.write("0000755\0", 100);
  block.write(`${Buffer.byteLength(content).toString(8).padStart(11, "0")}\0`, 124);
  block.write("        ", 148);
  block.write(type, 156);
  block.write(target, 157);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total: number, byte: number) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function tarOf(files: File[]): Buffer {
  const parts = files.flatMap((file) => {
    const content = Buffer.from(file.content ?? "");
    return [header(file), content, Buffer.alloc((512 - (content.byteLength % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

const FILES: File[] = [
  { path: "bin/", type: "5" },
  { path: "bin/app", content: "x".repeat(1500) },
  { path: "bin/sh", type: "2", target: "/bin/app" },
  { path: "etc/.wh.passwd" },
  { path: "./etc/empty" },
  { path: XSS },
];

const LIMITS: Limits = { compressed: 1e6, archive: 1e7, entries: 1000, shown: 100 };

function list(bytes: Uint8Array, part = "", limits: Partial<Limits> = {}) {
  return listLayer(openerOf(bytes), part, { ...LIMITS, ...limits });
}

/** @param asked takes the ranges that were asked for */
function openerOf(bytes: Uint8Array, asked: (ByteRange | null)[] = []) {
  return async (select: (size: number) => ByteRange | null) => {
    const range = select(bytes.byteLength);
    asked.push(range);
    const { offset, length } = range ?? { offset: 0, length: bytes.byteLength };
    const part = bytes.slice(offset, offset + length);
    const pieces = [part.slice(0, 1), part.slice(1, 700)];
    for (let at = 700; at < part.byteLength; at += 65_536) pieces.push(part.slice(at, at + 65_536));
    return { size: bytes.byteLength, body: streamOf(pieces.filter((piece) => piece.byteLength > 0)) };
  };
}

/** As stargz-snapshotter writes it: the layer, its table, and the footer that says where that is. */
function stargzOf(layer: Buffer, table: unknown, at = layer.byteLength): Uint8Array {
  const toc = gzipSync(tarOf([{ path: "stargz.index.json", content: JSON.stringify(table) }]));
  const footer = Buffer.alloc(51);
  footer.write("1f8b08040000000000ff1a0053471600", 0, "hex");
  footer.write(`${at.toString(16).padStart(16, "0")}STARGZ`, 16);
  footer.write("010000ffff0000000000000000", 38, "hex");
  return Uint8Array.from(Buffer.concat([layer, toc, footer]));
}

describe("an archive", () => {
  test.each([
    ["as it is", (bytes: Uint8Array) => bytes],
    ["gzip", gzipSync],
    [
      "gzip in several members, as eStargz",
      (bytes: Uint8Array) => Buffer.concat([gzipSync(bytes.slice(0, 600)), gzipSync(bytes.slice(600))]),
    ],
    ["zstd", zstdCompressSync],
  ])("%s is listed", async (_, compress) => {
    const listing = await list(Uint8Array.from(compress(Uint8Array.from(tarOf(FILES)))));
    expect(listing.end).toBe("complete");
    expect(listing.entries.map(({ path, kind, size }) => [path, kind, size])).toEqual([
      ["bin", "directory", 0],
      ["bin/app", "file", 1500],
      ["bin/sh", "symlink", 0],
      ["etc/.wh.passwd", "file", 0],
      ["etc/empty", "file", 0],
      [XSS, "file", 0],
    ]);
    expect(listing.entries[2]).toMatchObject({ target: "/bin/app", mode: 0o755 });
  });

  test("is searched by a part of the path", async () => {
    const listing = await list(Uint8Array.from(tarOf(FILES)), "bin/");
    expect([listing.found, listing.looked]).toEqual([2, 6]);
  });

  test("has long names, of GNU and of pax", async () => {
    const long = `${"deep/".repeat(60)}file`;
    const record = ` path=${long}pax\n`;
    const pax = `${record.length + 3}${record}`;
    const archive = tarOf([
      { path: "././@LongLink", type: "L", content: `${long}gnu\0` },
      { path: "short" },
      { path: "PaxHeaders/x", type: "x", content: pax },
      { path: "short" },
      { path: "plain" },
    ]);
    const { entries } = await list(Uint8Array.from(archive));
    expect(entries.map(({ path }) => path)).toEqual([`${long}gnu`, `${long}pax`, "plain"]);
  });

  test("comes in any pieces", () => {
    const bytes = Uint8Array.from(tarOf(FILES));
    for (const size of [1, 7, 511, 512, 513, 4096]) {
      const reader = new TarReader();
      const paths: string[] = [];
      for (let at = 0; at < bytes.byteLength; at += size)
        paths.push(...reader.push(bytes.subarray(at, at + size)).map(({ path }) => path));
      expect([size, paths.length, reader.broken]).toEqual([size, FILES.length, false]);
    }
  });
});

describe("a limit", () => {
  const many = Uint8Array.from(tarOf(Array.from({ length: 2000 }, (_, index) => ({ path: `f${index}` }))));

  test("ends it: on entries, on the archive's bytes, and on the blob's", async () => {
    for (const limits of [{ entries: 500 }, { archive: 100_000 }, { compressed: 100_000 }]) {
      const listing = await list(many, "", limits);
      expect([limits, listing.end, listing.entries.length]).toEqual([limits, "limit", 100]);
    }
    expect(await list(many, "", { entries: 5000, compressed: 2e6 })).toMatchObject({
      end: "complete",
      found: 2000,
      looked: 2000,
    });
  });

  test("holds for what is small and becomes large", async () => {
    const bomb = Uint8Array.from(
      gzipSync(
        Buffer.concat([header({ path: "zeros", content: "x".repeat(1000) }), Buffer.alloc(50_000_000)]),
      ),
    );
    const listing = await list(bomb, "", { archive: 2_000_000 });
    expect(listing.end).toBe("limit");
    expect(listing.entries).toHaveLength(1);
  });
});

describe("what a large file holds", () => {
  const LARGE = "x".repeat(5_000_000);
  const archive = Uint8Array.from(
    tarOf([
      { path: "a" },
      { path: "large", content: LARGE },
      { path: "b" },
      { path: "last", content: LARGE },
    ]),
  );
  const listed = async (bytes: Uint8Array) => {
    const asked: (ByteRange | null)[] = [];
    const listing = await listLayer(openerOf(bytes, asked), "", { ...LIMITS, compressed: 2e7, archive: 2e6 });
    return { asked, end: listing.end, paths: listing.entries.map(({ path }) => path) };
  };

  test("is passed over where nothing is compressed", async () => {
    const { asked, end, paths } = await listed(archive);
    expect([end, paths]).toEqual(["complete", ["a", "large", "b", "last"]]);
    const [behindLarge, ending] = [1024 + 5_000_192, archive.byteLength - 1024];
    expect(asked).toEqual([
      null,
      { offset: behindLarge, length: archive.byteLength - behindLarge },
      { offset: ending, length: 1024 },
    ]);
  });

  test("is missed where the archive ends within it", async () => {
    const { end, paths } = await listed(archive.slice(0, 9_000_000));
    expect([end, paths]).toEqual(["broken", ["a", "large", "b", "last"]]);
  });
});

describe("a table of contents", () => {
  const LAYER = gzipSync(noise(5000));
  const TABLE = {
    version: 1,
    entries: [
      { name: "bin/", type: "dir", mode: 0o40000755 },
      { name: "bin/app", type: "reg", size: 1500, mode: 0o755 },
      { name: "bin/app", type: "chunk", chunkOffset: 1000 },
      { name: "bin/sh", type: "symlink", linkName: "/bin/app" },
      { name: ".no.prefetch.landmark", type: "reg", size: 1 },
    ],
  };

  test("lists what is too large to be read, and is told to be one", async () => {
    const listing = await list(stargzOf(LAYER, TABLE), "", { compressed: 1000 });
    expect([listing.byTable, listing.end, listing.looked]).toEqual([true, "complete", 3]);
    expect(listing.entries).toEqual([
      { path: "bin", kind: "directory", size: 0, mode: 0o755, target: null },
      { path: "bin/app", kind: "file", size: 1500, mode: 0o755, target: null },
      { path: "bin/sh", kind: "symlink", size: 0, mode: 0, target: "/bin/app" },
    ]);
  });

  test("is not asked where the layer can be read: it could say anything", async () => {
    const layer = gzipSync(tarOf(FILES).subarray(0, -1024));
    const listing = await list(stargzOf(layer, { entries: [] }), "", {});
    expect([listing.byTable, listing.entries.length > FILES.length - 1]).toEqual([false, true]);
  });

  test.each([
    ["no footer", Uint8Array.from(Buffer.concat([LAYER, noise(100)]))],
    ["a footer that points behind the end", stargzOf(LAYER, TABLE, 1e9)],
    ["a footer that points at itself", stargzOf(LAYER, TABLE, stargzOf(LAYER, TABLE).byteLength - 51)],
    ["a footer that points at something else", stargzOf(LAYER, TABLE, 7)],
    ["no entries", stargzOf(LAYER, { entries: 7 })],
    ["null", stargzOf(LAYER, null)],
    ["a table too large to hold", stargzOf(LAYER, { entries: [], more: "x".repeat(17_000_000) })],
  ])("that is none, with %s, lists nothing", async (_, bytes) => {
    const listing = await list(bytes, "", { compressed: 1000 });
    expect([listing.byTable, listing.entries]).toEqual([false, []]);
  });
});

describe("what is none", () => {
  test.each([
    ["nothing", new Uint8Array(0), "complete"],
    ["noise", noise(5000), "broken"],
    ["JSON", Uint8Array.from(Buffer.from('{"a": 1}'.repeat(200))), "broken"],
    ["half of a gzip stream", Uint8Array.from(gzipSync(noise(50_000))).slice(0, 20_000), "broken"],
    [
      "half of a zstd frame",
      Uint8Array.from(zstdCompressSync(Uint8Array.from(tarOf(FILES)))).slice(0, 60),
      "broken",
    ],
  ])("%s: is said to be so", async (_, bytes, end) => {
    const listing = await list(bytes);
    expect([listing.entries.length, listing.end]).toEqual([0, end]);
  });
});

describe("the page", () => {
  test("lists files, finds some, and shows nothing of another repository", async () => {
    const bytes = Uint8Array.from(gzipSync(tarOf(FILES)));
    const digest = await pushBlob("app", bytes);
    const browser = await Browser.signedIn("admin");
    const page = await browser.get(`/layer/app/${digest}`);
    const text = textOfPage(page);
    expect(text).toContain("bin/app 0755 1.5 kB");
    expect(text).toContain("bin/sh → /bin/app");
    expect(text).toContain("removes etc/.wh.passwd");
    expect(page.html.match(/<script/g)).toHaveLength(1);
    expect(textOfPage(await browser.get(`/layer/app/${digest}?q=APP`))).not.toContain("empty");
    const costs = await measure(() => browser.get(`/layer/app/${digest}`));
    expect(costs).toMatchObject({ queries: 2, r2: { get: 1 } });
    expect((await browser.get(`/layer/other/${digest}`)).status).toBe(404);
    expect((await browser.get(`/layer/app/${sha256("none")}`)).status).toBe(404);
    expect((await browser.get("/layer/app/latest")).status).toBe(400);
    await addUser("alice", { access: [{ repositories: ["other"], actions: ["pull"] }] });
    expect((await (await Browser.signedIn("alice")).get(`/layer/app/${digest}`)).status).toBe(403);
  });

  test("reads past a large file, and no further", async () => {
    const files = [{ path: "large", content: "x".repeat(20_000_000) }, { path: "small" }];
    const digest = await pushBlob("app", Uint8Array.from(tarOf(files)));
    const browser = await Browser.signedIn("admin");
    const costs = await measure(async () => {
      const text = textOfPage(await browser.get(`/layer/app/${digest}`));
      expect(text).toContain("large 0755 20 MB small 0755 0 B");
    });
    expect(costs).toMatchObject({ queries: 3, r2: { get: 2 } });
  });

  test("says of a configuration that it is no archive", async () => {
    const digest = await pushBlob("app", "config");
    expect(textOfPage(await (await Browser.signedIn("admin")).get(`/layer/app/${digest}`))).toContain(
      "no archive",
    );
  });
});
