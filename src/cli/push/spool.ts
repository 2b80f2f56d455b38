/** Archives that cannot be read in place (standard input, compressed files) become a temporary file. */

import { createReadStream, createWriteStream, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { badInput, describe, Failure } from "../failure.ts";
import { makeTemporaryFolder } from "../temporary-folder.ts";

const FOLDER = "berth-push-";

export type Compression = "gzip" | "zstd";

/** By the first bytes; null for anything else. */
export function compressionOf(head: Uint8Array): Compression | null {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  return head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd ? "zstd" : null;
}

/** The first bytes of a file. */
export async function readHead(path: string, offset = 0): Promise<Buffer> {
  const file = await open(path);
  try {
    const head = Buffer.alloc(4);
    const { bytesRead } = await file.read(head, 0, head.length, offset);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/**
 * A seekable, uncompressed copy of an archive. It is removed when this program ends.
 * @returns its path
 * @throws Failure
 */
export async function spoolInput(input: Readable, label: string): Promise<string> {
  const path = join((await makeTemporaryFolder(FOLDER)).path, "input");
  await copy(input, null, path, label);
  const compression = compressionOf(await readHead(path));
  if (compression === null) return path;
  const unpacked = await unpack(path, compression, label);
  rmSync(path);
  return unpacked;
}

/** @returns the path of an uncompressed copy, which is removed when this program ends. @throws Failure */
export async function unpack(archive: string, compression: Compression, label: string): Promise<string> {
  const path = join((await makeTemporaryFolder(FOLDER)).path, "archive.tar");
  const transform = compression === "gzip" ? createGunzip() : createZstdDecompress();
  await copy(createReadStream(archive), transform, path, label);
  return path;
}

async function copy(from: Readable, through: Transform | null, path: string, label: string): Promise<void> {
  const to = createWriteStream(path, { mode: 0o600 });
  try {
    await (through === null ? pipeline(from, to) : pipeline(from, through, to));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC") throw new Failure(`${tmpdir()} is full: set TMPDIR to a folder with more room.`);
    throw badInput(`${label} cannot be read: ${describe(error)}. Is it truncated?`);
  }
}
