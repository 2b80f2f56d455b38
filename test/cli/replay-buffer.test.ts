/** The relay's buffer: what it keeps, what it lets go, and how far it lets a client run ahead. */

import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ClientGone, ReplayBuffer } from "../../src/cli/relay/replay-buffer.ts";

const KiB = 1024;

function fill(stream: PassThrough, pieces: number, size = 16 * KiB): void {
  for (let index = 0; index < pieces; index += 1) stream.write(Buffer.alloc(size, index));
}

function read(source: ReplayBuffer, offset: number, length: number): Promise<Buffer> {
  return buffer(source.read(offset, length));
}

describe("a body of unknown length", () => {
  test("is measured as it arrives, and ends where it ends", async () => {
    const stream = new PassThrough();
    const source = new ReplayBuffer({ stream, length: null, offset: 0 }, 10);
    const measured = source.measure(0, 10);
    stream.write("abc");
    stream.write("defghijklm");
    expect(await measured).toBe(10);
    stream.end();
    expect(await source.measure(10, 10)).toBe(3);
    expect(await source.measure(13, 10)).toBe(0);
  });

  test("can be read again until it is released", async () => {
    const stream = new PassThrough();
    const source = new ReplayBuffer({ stream, length: null, offset: 100 }, 10);
    stream.end("abcdefghij");
    expect(await source.measure(100, 10)).toBe(10);
    expect(String(await read(source, 100, 5))).toBe("abcde");
    expect(String(await read(source, 102, 8))).toBe("cdefghij");
    source.release(105);
    expect(String(await read(source, 105, 5))).toBe("fghij");
  });

  test("takes in one chunk more than is asked for, and then holds the client back", async () => {
    const stream = new PassThrough({ highWaterMark: 1 });
    const source = new ReplayBuffer({ stream, length: null, offset: 0 }, 64 * KiB);
    fill(stream, 100);
    expect(await source.measure(0, 64 * KiB)).toBe(64 * KiB);
    await sleep(20);
    expect(stream.readableLength + stream.writableLength).toBeGreaterThanOrEqual((100 - 9) * 16 * KiB);
    source.release(64 * KiB);
    expect(await source.measure(64 * KiB, 64 * KiB)).toBe(64 * KiB);
  });
});

describe("a body of known length", () => {
  test("is measured before it arrives", async () => {
    const source = new ReplayBuffer({ stream: new PassThrough(), length: 25, offset: 0 }, 10);
    expect(await source.measure(0, 10)).toBe(10);
    expect(await source.measure(20, 10)).toBe(5);
  });

  test("lets the client run ahead by little", async () => {
    const stream = new PassThrough({ highWaterMark: 1 });
    new ReplayBuffer({ stream, length: 16 * 1024 * KiB, offset: 0 }, 8 * 1024 * KiB);
    fill(stream, 1024);
    await sleep(50);
    expect(stream.readableLength + stream.writableLength).toBeGreaterThan(14 * 1024 * KiB);
  });

  test("skips what upstream has already", async () => {
    const stream = new PassThrough();
    const source = new ReplayBuffer({ stream, length: 10, offset: 0 }, 4);
    source.release(6);
    stream.end("abcdefghij");
    expect(String(await read(source, 6, 4))).toBe("ghij");
  });
});

test("a client that goes away is told from a body that ends", async () => {
  const stream = new PassThrough();
  const source = new ReplayBuffer({ stream, length: 10, offset: 0 }, 10);
  stream.write("abc");
  const reading = read(source, 0, 10);
  stream.destroy();
  await expect(reading).rejects.toThrow(ClientGone);
  await expect(read(source, 0, 10)).rejects.toThrow(ClientGone);
});
