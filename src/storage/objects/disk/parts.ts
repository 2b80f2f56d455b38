/** Objects that stay in the parts in which they came: nothing is copied when an upload ends. */

import type { ByteRange } from "../../../oci/range.ts";
import type { Folder } from "./folder.ts";

/** What the file says that stands for the object. */
export interface Composed {
  /** Where the parts lie, each by its number. */
  folder: string;
  /** In their order; sizes in bytes. */
  parts: { number: number; size: number }[];
}

/** Some bytes of a file. */
interface Piece {
  path: string;
  range: ByteRange;
}

/** Bytes. */
export function sizeOf({ parts }: Composed): number {
  return parts.reduce((size, part) => size + part.size, 0);
}

/** Where the bytes of an object are, or those of a range. */
export function piecesOf({ folder, parts }: Composed, range: ByteRange | null): Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  for (const { number, size } of parts) {
    const from = Math.max(start, range?.offset ?? 0);
    const to = Math.min(start + size, range === null ? Infinity : range.offset + range.length);
    if (from < to)
      pieces.push({ path: `${folder}/${number}`, range: { offset: from - start, length: to - from } });
    start += size;
  }
  return pieces;
}

/** One stream of all pieces, which passes no JavaScript and says its length. Null when the first is not there. */
export async function join(folder: Folder, pieces: Piece[]): Promise<ReadableStream | null> {
  const [first, ...rest] = pieces;
  const beginning = first === undefined ? null : await folder.read(first.path, first.range);
  if (beginning === null || rest.length === 0) return beginning;
  const { readable, writable } = new FixedLengthStream(
    pieces.reduce((length, { range }) => length + range.length, 0),
  );
  void pump(folder, beginning, rest, writable);
  return readable;
}

/** Whoever reads the other end is told of a failure. */
async function pump(
  folder: Folder,
  beginning: ReadableStream,
  rest: Piece[],
  writable: WritableStream,
): Promise<void> {
  try {
    await beginning.pipeTo(writable, { preventClose: true });
    for (const { path, range } of rest) {
      const body = await folder.read(path, range);
      if (body === null) throw new Error(`${path} is gone, or too short`);
      await body.pipeTo(writable, { preventClose: true });
    }
    await writable.close();
  } catch (error) {
    await writable.abort(error).catch(() => {});
  }
}
