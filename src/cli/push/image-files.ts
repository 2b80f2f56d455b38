/** The files of an image, wherever they lie: in a folder, or within an archive. Nothing is ever unpacked. */

import { createReadStream } from "node:fs";
import { open, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { badInput, describe } from "../failure.ts";

/** A run of bytes in a file on disk. */
export interface FileRegion {
  path: string;
  /** Bytes. */
  offset: number;
  /** Bytes. */
  size: number;
}

/** Looks files up by their path within the image, such as blobs/sha256/…. */
export interface ImageFiles {
  /** What the user called it, for messages. */
  label: string;
  /** @returns null when there is no such file */
  locate(path: string): Promise<FileRegion | null>;
}

/** An OCI image layout that lies open in a folder. What it names, or links to, must lie in there as well. */
export async function openFolder(folder: string): Promise<ImageFiles> {
  const root = await realpath(folder);
  return {
    label: folder,
    async locate(name) {
      const path = await realpath(join(root, name)).catch(() => null);
      if (path === null) return null;
      if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) {
        throw badInput(`${folder} has a path that leads out of it, ${JSON.stringify(name)}: not pushed.`);
      }
      const found = await stat(path);
      return found.isFile() ? { path, offset: 0, size: found.size } : null;
    },
  };
}

/**
 * Reads a small file whole.
 * @param limit bytes
 * @throws Failure when it is larger
 */
export async function readRegion(region: FileRegion, limit: number): Promise<Buffer> {
  if (region.size > limit)
    throw badInput(`${region.path} holds a manifest of ${region.size} bytes: too large.`);
  const file = await open(region.path);
  try {
    const bytes = Buffer.alloc(region.size);
    const { bytesRead } = await file.read(bytes, 0, region.size, region.offset);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Some or all bytes of a region. @throws Failure when the file cannot be read, or has shrunk */
export async function* streamRegion(
  region: FileRegion,
  offset = 0,
  length = region.size - offset,
): AsyncGenerator<Buffer> {
  if (length === 0) return;
  const start = region.offset + offset;
  let left = length;
  const stream = createReadStream(region.path, {
    start,
    end: start + length - 1,
    highWaterMark: 1024 * 1024,
  });
  try {
    for await (const piece of stream) {
      left -= piece.length;
      yield piece;
    }
  } catch (error) {
    throw badInput(`Cannot read ${region.path}: ${describe(error)}.`);
  }
  if (left > 0) throw badInput(`${region.path} became shorter while it was read.`);
}
