/**
 * Where each file lies in a tar archive, found by reading only the headers: a layer is then read in place, from
 * any offset, as often as a retry asks for it. (Tar libraries stream; none gives offsets.) Understood are ustar,
 * pax (path, linkpath, size) and GNU's long names, which is what docker, podman, skopeo, ctr and tar write.
 */

import { type FileHandle, open } from "node:fs/promises";
import { posix } from "node:path";
import { badInput } from "../failure.ts";
import type { FileRegion, ImageFiles } from "./image-files.ts";

const BLOCK = 512;

/** Names longer than this are no names of an image's files. Bytes. */
const MAX_NAME = 64 * 1024;

interface Entry {
  name: string;
  /** "0" a file, "1" and "2" links, "5" a folder, and others. */
  type: string;
  link: string;
  /** Of the content, bytes. */
  offset: number;
  size: number;
}

/** What a header says about the entry after it. */
type Overrides = Partial<Pick<Entry, "name" | "link" | "size">>;

/** @throws Failure when it is no tar, is truncated, or has a path that climbs out */
export async function openTar(path: string, label: string): Promise<ImageFiles> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const regions = new Map<string, FileRegion>();
    const links = new Map<string, string>();
    for await (const entry of entries(file, size, label)) {
      const name = inside(entry.name, label);
      if (entry.type === "0") regions.set(name, { path, offset: entry.offset, size: entry.size });
      // docker save (before 25) stores a layer that occurs twice as a symbolic link.
      if (entry.type === "2") links.set(name, inside(posix.join(posix.dirname(name), entry.link), label));
      if (entry.type === "1") links.set(name, inside(entry.link, label));
    }
    return { label, locate: async (name) => follow(name, regions, links) };
  } finally {
    await file.close();
  }
}

function follow(
  name: string,
  regions: ReadonlyMap<string, FileRegion>,
  links: ReadonlyMap<string, string>,
): FileRegion | null {
  let target = posix.normalize(name);
  // A circle of links ends somewhere, too.
  for (let hops = 0; hops < 8 && !regions.has(target); hops += 1) target = links.get(target) ?? target;
  return regions.get(target) ?? null;
}

async function* entries(file: FileHandle, size: number, label: string): AsyncGenerator<Entry> {
  let overrides: Overrides = {};
  let position = 0;
  while (position < size) {
    const header = await readBlock(file, position);
    if (position > 0 && header.every((byte) => byte === 0)) return;
    if (!hasValidChecksum(header)) {
      throw badInput(
        position === 0
          ? `${label} is no tar archive: give an OCI layout, or what docker save wrote.`
          : `${label} is damaged: what should be a tar header at byte ${position} is none.`,
      );
    }
    const entry = { ...parseHeader(header, position + BLOCK), ...overrides };
    if (!(entry.size >= 0))
      throw badInput(`${label} is damaged: ${printable(entry.name)} has no valid size.`);
    if (entry.offset + entry.size > size) {
      throw badInput(`${label} is truncated: it ends within ${printable(entry.name)}. Get it again.`);
    }
    position = entry.offset + Math.ceil(entry.size / BLOCK) * BLOCK;
    const said = await parseOverrides(file, entry, label);
    overrides = said === null ? {} : { ...overrides, ...said };
    if (said === null) yield entry;
  }
}

function parseHeader(header: Buffer, offset: number): Entry {
  const prefix = header.toString("latin1", 257, 262) === "ustar" ? field(header, 345, 155) : "";
  const name = field(header, 0, 100);
  const type = header.toString("latin1", 156, 157);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    // Old archives, and those of contiguous files, mean a file as well.
    type: type === "\0" || type === "7" ? "0" : type,
    link: field(header, 157, 100),
    offset,
    size: number(header, 124, 12),
  };
}

/** @returns null for an entry that is not about the next one */
async function parseOverrides(file: FileHandle, entry: Entry, label: string): Promise<Overrides | null> {
  if (!"xgLK".includes(entry.type)) return null;
  if (entry.size > MAX_NAME) throw badInput(`${label} is damaged: a name of ${entry.size} bytes.`);
  const bytes = Buffer.alloc(entry.size);
  await file.read(bytes, 0, entry.size, entry.offset);
  const text = bytes.toString().replace(/\0+$/, "");
  if (entry.type === "L") return { name: text };
  if (entry.type === "K") return { link: text };
  return entry.type === "x" ? parsePax(bytes) : {};
}

/** Records of `<length> <key>=<value>\n`, the length in bytes and of the whole record. */
function parsePax(bytes: Buffer): Overrides {
  const overrides: Overrides = {};
  for (let position = 0; position < bytes.length; ) {
    const length = Number.parseInt(bytes.toString("latin1", position, position + 20), 10);
    if (!(length > 0)) break;
    const [, key, value = ""] =
      /^\d+ ([^=]+)=([\s\S]*)\n$/.exec(bytes.toString("utf8", position, position + length)) ?? [];
    if (key === "path") overrides.name = value;
    if (key === "linkpath") overrides.link = value;
    if (key === "size") overrides.size = Number(value);
    position += length;
  }
  return overrides;
}

/** @throws Failure for a path that leads out of the archive */
function inside(name: string, label: string): string {
  const path = posix.normalize(name);
  if (posix.isAbsolute(path) || path === ".." || path.startsWith("../")) {
    throw badInput(`${label} has a path that climbs out of it, ${printable(name)}: not pushed.`);
  }
  return path;
}

async function readBlock(file: FileHandle, position: number): Promise<Buffer> {
  const block = Buffer.alloc(BLOCK);
  await file.read(block, 0, BLOCK, position);
  return block;
}

/** The sum of the header's bytes, its own field counted as spaces. */
function hasValidChecksum(header: Buffer): boolean {
  let sum = 8 * 0x20;
  for (const [index, byte] of header.entries()) if (index < 148 || index >= 156) sum += byte;
  return sum === number(header, 148, 8);
}

/** Octal digits, or GNU's binary form for what does not fit. */
function number(header: Buffer, start: number, length: number): number {
  if (((header[start] ?? 0) & 0x80) !== 0) return Number(header.readBigUInt64BE(start + length - 8));
  return Number.parseInt(field(header, start, length).trim() || "0", 8);
}

function field(header: Buffer, start: number, length: number): string {
  const bytes = header.subarray(start, start + length);
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end === -1 ? length : end);
}

function printable(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
