/** What is in a layer, read as it streams by, and no further than a limit: nothing of it is kept but what is shown. */

import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
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
  entries: TarEntry[];
  /** How many have the part in their path; more than `entries` where these are too many. */
  found: number;
  /** How many were looked at. */
  looked: number;
  /** "complete": all of it. "limit": there is more. "broken": it is no archive, or not from here on. */
  end: "complete" | "limit" | "broken";
}

/**
 * Lists the entries with a part in their paths, in the archive's order.
 * @param body of a tar archive, as it is or compressed with gzip or zstd. It is cancelled where it is not read to its end.
 * @param part "" for all
 */
export async function listArchive(
  body: ReadableStream<Uint8Array>,
  part: string,
  limits: Limits,
): Promise<Listing> {
  const listing: Listing = { entries: [], found: 0, looked: 0, end: "complete" };
  const read = { bytes: 0, cut: false };
  const source = Readable.from(upTo(body, limits.compressed, read));
  const tar = new TarReader();
  let archive = 0;
  try {
    for await (const bytes of await decompressed(source)) {
      archive += bytes.byteLength;
      for (const entry of tar.push(bytes)) add(listing, entry, part, limits.shown);
      if (tar.broken) break;
      if (archive > limits.archive || listing.looked >= limits.entries) {
        read.cut = true;
        break;
      }
    }
  } catch {
    // What is cut off cannot be decompressed to its end.
    if (!read.cut) listing.end = "broken";
  } finally {
    source.destroy();
  }
  if (read.cut) listing.end = "limit";
  else if (tar.broken || tar.isMidway) listing.end = "broken";
  return listing;
}

function add(listing: Listing, entry: TarEntry, part: string, shown: number): void {
  listing.looked++;
  if (part !== "" && !entry.path.toLowerCase().includes(part)) return;
  listing.found++;
  if (listing.entries.length < shown) listing.entries.push(entry);
}

/** Cancels what is not read. */
async function* upTo(
  body: ReadableStream<Uint8Array>,
  limit: number,
  read: { bytes: number; cut: boolean },
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const room = limit - read.bytes;
      read.bytes += value.byteLength;
      read.cut = read.bytes > limit;
      yield value.subarray(0, room);
      if (read.cut) return;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** By the first bytes: media types are what a client says. */
async function decompressed(source: Readable): Promise<AsyncIterable<Uint8Array>> {
  const iterator = source[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  const first = await firstBytes(iterator);
  const again = Readable.from(behind(first, iterator));
  const [one, two, three, four] = first;
  if (one === 0x1f && two === 0x8b) return again.pipe(createGunzip());
  if (one === 0x28 && two === 0xb5 && three === 0x2f && four === 0xfd)
    return again.pipe(createZstdDecompress());
  return again;
}

/** Enough of them to tell a format; fewer where there are no more. */
async function firstBytes(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let held = new Uint8Array(0);
  while (held.byteLength < 4) {
    const { value, done } = await iterator.next();
    if (done) break;
    held = new Uint8Array(Buffer.concat([held, value]));
  }
  return held;
}

async function* behind(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  for (;;) {
    const { value, done } = await rest.next();
    if (done) return;
    yield value;
  }
}
