import { describe, expect, test } from "vitest";
import { parseContentRange, parseRange } from "../../src/oci/range.ts";
import { refusalOf } from "./refusal.ts";

const SIZE = 10;

/** More than Number.MAX_SAFE_INTEGER, and more than a double can hold. */
const HUGE = "99999999999999999999";
const ENDLESS = "9".repeat(400);

describe("the Range of a download", () => {
  test("gives the bytes from first to last, for every first and last", () => {
    for (let first = 0; first < SIZE; first++) {
      for (let last = first; last < SIZE + 3; last++) {
        const length = Math.min(last + 1, SIZE) - first;
        expect(parseRange(`bytes=${first}-${last}`, SIZE), `${first}-${last}`).toEqual({
          offset: first,
          length,
        });
      }
    }
  });

  test.each([
    ["bytes=0-", 0, 10],
    ["bytes=9-", 9, 1],
    ["bytes=9-9", 9, 1],
    [`bytes=0-${HUGE}`, 0, 10],
    [`bytes=3-${ENDLESS}`, 3, 7],
    ["bytes=-1", 9, 1],
    ["bytes=-10", 0, 10],
    ["bytes=-11", 0, 10],
    [`bytes=-${HUGE}`, 0, 10],
    [`bytes=-${ENDLESS}`, 0, 10],
    ["bytes=0003-0005", 3, 3],
    ["BYTES=2-4", 2, 3],
    [" bytes=2-4 ", 2, 3],
    ["bytes= 2-4\t", 2, 3],
  ])("%j of 10 bytes is from %i on %i bytes", (header, offset, length) => {
    expect(parseRange(header, SIZE)).toEqual({ offset, length });
  });

  test.each([
    undefined,
    "",
    "bytes",
    "bytes 0-4",
    "byte=0-4",
    "items=0-4",
    "xbytes=0-4",
    "bytes=0-1,3-4",
    "bytes=0-1,",
    "bytes=500-0,x",
  ])("%j is answered with the whole", (header) => {
    expect(parseRange(header, SIZE)).toBe(null);
  });

  test.each([
    "bytes=10-",
    "bytes=10-10",
    "bytes=11-20",
    "bytes=500-0",
    "bytes=4-3",
    "bytes=1-0",
    "bytes=-0",
    "bytes=-000",
    "bytes=-",
    "bytes=",
    "bytes=5",
    "bytes=--5",
    "bytes=+1-5",
    "bytes=1.0-5",
    "bytes=1e0-5",
    "bytes=0x1-5",
    "bytes=1 - 5",
    "bytes=1-5-7",
    "bytes=a-b",
    "bytes=１-５",
    "bytes=bytes=1-5",
    `bytes=${HUGE}-`,
    `bytes=${ENDLESS}-${ENDLESS}`,
  ])("%j of 10 bytes cannot be satisfied", (header) => {
    expect(refusalOf(() => parseRange(header, SIZE))).toMatchObject({
      status: 416,
      code: "SIZE_INVALID",
      message: "this range cannot be satisfied: the blob has 10 bytes",
      headers: { "Content-Range": "bytes */10" },
    });
  });

  test.each(["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=5-7", "bytes=x", undefined])(
    "%j of an empty blob is answered with the whole",
    (header) => {
      expect(parseRange(header, 0)).toBe(null);
    },
  );

  test("of a single byte is that byte, or nothing", () => {
    expect(parseRange("bytes=0-0", 1)).toEqual({ offset: 0, length: 1 });
    expect(parseRange("bytes=-1", 1)).toEqual({ offset: 0, length: 1 });
    expect(refusalOf(() => parseRange("bytes=1-1", 1)).headers).toEqual({ "Content-Range": "bytes */1" });
  });

  test("of a blob of terabytes is exact", () => {
    const size = 5 * 1024 ** 4;
    expect(parseRange(`bytes=${size - 2}-${size}`, size)).toEqual({ offset: size - 2, length: 2 });
    expect(parseRange("bytes=-3", size)).toEqual({ offset: size - 3, length: 3 });
  });
});

describe("the Content-Range of a chunk", () => {
  test("may be absent", () => {
    expect(parseContentRange(undefined)).toBe(null);
  });

  test.each([
    ["0-0", 0, 1],
    ["0-499", 0, 500],
    ["500-999", 500, 500],
    ["7-7", 7, 1],
    [" 0-4 ", 0, 5],
    ["007-009", 7, 3],
    ["bytes 0-4/5", 0, 5],
    ["bytes 5-9/*", 5, 5],
    ["bytes 5-9", 5, 5],
    ["bytes=5-9", 5, 5],
    ["5-9/10", 5, 5],
    ["999999999999998-999999999999999", 999999999999998, 2],
    ["0-999999999999999", 0, 1e15],
  ])("%j is a chunk from %i on of %i bytes", (header, offset, length) => {
    expect(parseContentRange(header)).toEqual({ offset, length });
  });

  test.each([
    "",
    " ",
    "0",
    "-",
    "-5",
    "5-",
    "500-0",
    "1-0",
    "a-b",
    "0-4x",
    "x0-4",
    "0 - 4",
    "0–4",
    "０-４",
    "+0-4",
    "-1-4",
    "1.0-4",
    "1e3-2e3",
    "0x0-0x4",
    "0-4/",
    "0-4/x",
    "0-4/-1",
    "0-4,5-9",
    "0-4\n5-9",
    "bytes */500",
    "bytes  0-4",
    "items 0-4",
    "0-1000000000000000",
    `0-${HUGE}`,
    `${HUGE}-${HUGE}`,
    "9007199254740992-9007199254740993",
    "0000000000000000-4",
    `0-4/${HUGE}`,
  ])("%j is malformed", (header) => {
    expect(refusalOf(() => parseContentRange(header))).toEqual({
      status: 400,
      code: "BLOB_UPLOAD_INVALID",
      message: "malformed Content-Range: expected <first byte>-<last byte>",
      detail: header,
      headers: {},
    });
  });

  test("that is refused is told in 200 characters", () => {
    expect(refusalOf(() => parseContentRange("x".repeat(5000))).detail).toBe("x".repeat(200));
  });
});
