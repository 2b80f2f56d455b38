/** What is in a layer, read as it streams by, and no further than a limit: nothing of it is kept but what is shown. */

import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { BlobReader, type OpenBlob, type Opened } from "./blob.ts";
import { footerOf, readTable } from "./stargz.ts";
import { type TarEntry, TarReader } from "./tar.ts";

export interface Limits {
  /** Read of the blob. Bytes. */
  compressed: number;
  /** Read of the archive in it. Bytes. */
  archive: number;
  /** Looked at. */
  entries: number;
  /** Listed. */
  shown: number;
}

export interface Listing {
  /** Of the blob. Bytes. */
  size: number;
  entries: TarEntry[];
  /** How many have the part in their path; more than `entries` where these are too many. */
  found: number;
  /** How many were looked at. */
  looked: number;
  /** "complete": all of it. "limit": there is more. "broken": it is no archive, or not from here on. */
  end: "complete" | "limit" | "broken";
  /** Whether this is what the layer says of itself: nobody has compared it with what is in it. */
  byTable: boolean;
}

/**
 * Lists the entries of a layer with a part in their paths, in its order: a tar archive, as it is or compressed with
 * gzip or zstd. Of one that is not compressed, what files hold is passed over; one that is eStargz and too large to be
 * read has a table of contents.
 * @param part "" for all
 */
export async function listLayer(open: OpenBlob, part: string, limits: Limits): Promise<Listing> {
  const opened = await open((size) => (size > limits.compressed ? footerOf(size) : null));
  if (opened.size <= limits.compressed) return listArchive(open, opened, part, limits);
  const table = await readTable(open, opened);
  if (table === null) return listArchive(open, await open(() => null), part, limits);
  const listing: Listing = { ...nothing(opened.size), byTable: true };
  for (const entry of table) add(listing, entry, part, limits.shown);
  return listing;
}

function nothing(size: number): Listing {
  return { size, entries: [], found: 0, looked: 0, end: "complete", byTable: false };
}

async function listArchive(open: OpenBlob, whole: Opened, part: string, limits: Limits): Promise<Listing> {
  const listing = nothing(whole.size);
  const blob = new BlobReader(open, whole, limits.compressed);
  const tar = new TarReader();
  const { bytes, close, isPlain } = await decompressed(blob.chunks());
  let archive = 0;
  let isCut = false;
  try {
    for await (const piece of bytes) {
      archive += piece.byteLength;
      for (const entry of tar.push(piece)) add(listing, entry, part, limits.shown);
      if (tar.broken) break;
      isCut = archive > limits.archive || listing.looked >= limits.entries;
      if (isCut) break;
      if (isPlain && blob.skip(tar.contentLeft)) tar.skipContent();
    }
  } catch {
    // What is cut off cannot be decompressed to its end.
    if (!blob.cut) listing.end = "broken";
  } finally {
    close();
  }
  if (isCut || blob.cut) listing.end = "limit";
  else if (tar.broken || tar.isMidway) listing.end = "broken";
  return listing;
}

function add(listing: Listing, entry: TarEntry, part: string, shown: number): void {
  listing.looked++;
  if (part !== "" && !entry.path.toLowerCase().includes(part)) return;
  listing.found++;
  if (listing.entries.length < shown) listing.entries.push(entry);
}

interface Decompressed {
  bytes: AsyncIterable<Uint8Array>;
  /** Whether these are the blob's own, each asked for when the one before has been looked at. */
  isPlain: boolean;
  close(): void;
}

/** By the first bytes: media types are what a client says. */
async function decompressed(chunks: AsyncGenerator<Uint8Array>): Promise<Decompressed> {
  const first = await firstBytes(chunks);
  const all = behind(first, chunks);
  const [one, two, three, four] = first;
  const isGzip = one === 0x1f && two === 0x8b;
  const isZstd = one === 0x28 && two === 0xb5 && three === 0x2f && four === 0xfd;
  if (!isGzip && !isZstd) return { bytes: all, isPlain: true, close: () => {} };
  const source = Readable.from(all);
  const bytes = source.pipe(isGzip ? createGunzip() : createZstdDecompress());
  source.once("error", (error) => bytes.destroy(error));
  return { bytes, isPlain: false, close: () => source.destroy() };
}

/** Enough of them to tell a format; fewer where there are no more. */
async function firstBytes(iterator: AsyncGenerator<Uint8Array>): Promise<Uint8Array> {
  let held = new Uint8Array(0);
  while (held.byteLength < 4) {
    const { value, done } = await iterator.next();
    if (done) break;
    held = new Uint8Array(Buffer.concat([held, value]));
  }
  return held;
}

/** Ends both together. */
async function* behind(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield first;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}
