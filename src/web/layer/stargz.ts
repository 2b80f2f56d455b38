/**
 * The table of contents at the end of a layer that is eStargz, which lists it without reading it:
 * https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md
 */

import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { ByteRange } from "../../oci/range.ts";
import type { OpenBlob, Opened } from "./blob.ts";
import { BLOCK, type EntryKind, pathOf, readHeader, type TarEntry } from "./tar.ts";

/** The last bytes: an empty gzip member that says where the table is. */
const FOOTER = 51;

/** Of a table. Bytes: as it is compressed, and in all. */
const MAX_TABLE = 8 * 1024 * 1024;
const MAX_JSON = 16 * 1024 * 1024;

const KINDS: Record<string, EntryKind> = {
  reg: "file",
  dir: "directory",
  symlink: "symlink",
  hardlink: "hardlink",
};

interface TableEntry {
  name: string;
  type: string;
  size?: number;
  mode?: number;
  linkName?: string;
}

/** Where the footer of a blob is. */
export function footerOf(size: number): ByteRange {
  const length = Math.min(FOOTER, size);
  return { offset: size - length, length };
}

/**
 * What the layer says of itself.
 * @param footer opened at {@link footerOf}
 * @returns null when it has no table, or none that can be read here
 */
export async function readTable(open: OpenBlob, footer: Opened): Promise<TarEntry[] | null> {
  const offset = offsetIn(Buffer.from(await new Response(footer.body).arrayBuffer()));
  if (offset === null) return null;
  const length = footer.size - FOOTER - offset;
  if (length <= 0 || length > MAX_TABLE) return null;
  const { body } = await open(() => ({ offset, length }));
  return parseTable(await unpack(body).catch(() => null));
}

/** "%016xSTARGZ" in the extra field of the footer's gzip header. */
function offsetIn(footer: Buffer): number | null {
  const [, hex] = /^([0-9a-f]{16})STARGZ$/.exec(footer.toString("latin1", 16, 38)) ?? [];
  if (hex === undefined || footer[0] !== 0x1f || footer[1] !== 0x8b) return null;
  const offset = Number.parseInt(hex, 16);
  return Number.isSafeInteger(offset) ? offset : null;
}

/** @throws when it is no gzip, or too large */
async function unpack(body: ReadableStream<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of Readable.fromWeb(body as never).pipe(createGunzip())) {
    pieces.push(piece);
    bytes += piece.byteLength;
    if (bytes > MAX_JSON) throw new Error("too large a table");
  }
  return Buffer.concat(pieces);
}

/** @param archive a tar archive with the table as its one file; null for none */
function parseTable(archive: Buffer | null): TarEntry[] | null {
  if (archive === null || archive.byteLength < BLOCK) return null;
  const header = readHeader(archive.subarray(0, BLOCK));
  if (header?.path !== "stargz.index.json") return null;
  try {
    const { entries } = JSON.parse(archive.toString("utf8", BLOCK, BLOCK + header.size)) as {
      entries: TableEntry[];
    };
    return entries.filter(isEntry).map(entryOf);
  } catch {
    return null;
  }
}

/** Chunks say where the rest of a large file is; the other names are of eStargz itself. */
function isEntry({ name, type }: TableEntry): boolean {
  return (
    typeof name === "string" &&
    type !== "chunk" &&
    !/^(?:\.no)?\.prefetch\.landmark$|^stargz\.index\.json$/.test(name)
  );
}

function entryOf({ name, type, size = 0, mode = 0, linkName }: TableEntry): TarEntry {
  const kind = KINDS[type] ?? "other";
  return {
    path: pathOf(name),
    kind,
    size: kind === "file" && Number.isSafeInteger(size) ? size : 0,
    // Go's bits for setuid and the like are elsewhere.
    mode: Number(mode) & 0o777,
    target: typeof linkName === "string" && /link$/.test(kind) ? linkName : null,
  };
}
