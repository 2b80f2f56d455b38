/** Byte ranges: `Range` of a download (RFC 9110, section 14) and `Content-Range` of a chunk (the specification's own form). */

import { RegistryError } from "./errors.ts";

/** `length` bytes from `offset` on. */
export interface ByteRange {
  offset: number;
  length: number;
}

/**
 * The part of a representation of `size` bytes that a `Range` header asks for.
 * @returns null when the whole is to be answered: no header, another unit, several ranges, or nothing to cut
 * @throws RegistryError SIZE_INVALID, 416, when it is malformed or outside
 */
export function parseRange(header: string | undefined, size: number): ByteRange | null {
  const specs = /^bytes=(.*)$/i.exec(header?.trim() ?? "")?.[1];
  if (specs === undefined || specs.includes(",")) return null;
  // Some clients put a range on every request; an empty blob is answered whole, as Go's http.ServeContent does.
  if (size === 0) return null;
  const match = /^\s*(\d*)-(\d*)\s*$/.exec(specs);
  if (match === null || (match[1] === "" && match[2] === "")) throw unsatisfiable(size);
  const [, first = "", last = ""] = match;
  if (first === "") {
    const length = Math.min(Number(last), size);
    if (length === 0) throw unsatisfiable(size);
    return { offset: size - length, length };
  }
  const offset = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (offset > end) throw unsatisfiable(size);
  return { offset, length: end - offset + 1 };
}

function unsatisfiable(size: number): RegistryError {
  return new RegistryError("SIZE_INVALID", `this range cannot be satisfied: the blob has ${size} bytes`, {
    status: 416,
    headers: { "Content-Range": `bytes */${size}` },
  });
}

/**
 * The `Content-Range` of a chunk: `<first>-<last>`, inclusive. RFC 9110's `bytes <first>-<last>/<size>` is
 * understood as well.
 * @returns null without a header
 * @throws RegistryError BLOB_UPLOAD_INVALID when malformed
 */
export function parseContentRange(header: string | undefined): ByteRange | null {
  if (header === undefined) return null;
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header.trim());
  const offset = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (match === null || last < offset) {
    throw new RegistryError(
      "BLOB_UPLOAD_INVALID",
      "malformed Content-Range: expected <first byte>-<last byte>",
      {
        detail: header.slice(0, 200),
      },
    );
  }
  return { offset, length: last - offset + 1 };
}

/** A range as a `Range` header asks for it, from a server that has all of it: "bytes=0-99". */
export function formatRange({ offset, length }: ByteRange): string {
  return `bytes=${offset}-${offset + length - 1}`;
}

/** `Content-Range` of a part of a representation of `size` bytes (RFC 9110, section 14.4). */
export function formatContentRange({ offset, length }: ByteRange, size: number): string {
  return `bytes ${offset}-${offset + length - 1}/${size}`;
}
