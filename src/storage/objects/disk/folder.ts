/** A folder of this machine, by the disk service of workerd: the one file that calls it. */

import { type ByteRange, formatRange } from "../../../oci/range.ts";
import { retried } from "../../retry.ts";

/** The host is nobody's: the service goes by the path. */
const ORIGIN = "http://disk.invalid/";

export interface FileInfo {
  /** Bytes. */
  size: number;
  /** To the second. Milliseconds since the epoch. */
  writtenAt: number;
}

/** The disk is full, or what it says makes no sense. */
class DiskFault extends Error {
  override name = "DiskFault";
}

/**
 * Paths are relative, without a slash at either end, of letters, digits and what no file system gives a meaning; names
 * that begin with a dot are hidden. All methods throw Unavailable when the disk fails.
 */
export class Folder {
  readonly #disk: Fetcher;

  constructor(disk: Fetcher) {
    this.#disk = disk;
  }

  /** The bytes, or a range of them; null when there is no such file, or it ends before the range does. */
  read(path: string, range: ByteRange | null): Promise<ReadableStream | null> {
    const headers: HeadersInit = range === null ? {} : { Range: formatRange(range) };
    return again(async () => {
      const response = await this.#unlessGone(path, { headers });
      if (response === null) return null;
      const length = response.headers.get("Content-Length");
      if (range === null || length === String(range.length)) return response.body;
      await response.body?.cancel();
      return null;
    });
  }

  /** All of a small file; null when there is none. */
  readText(path: string): Promise<string | null> {
    return again(async () => (await this.#unlessGone(path, {}))?.text() ?? null);
  }

  /** Null when there is no such file. */
  info(path: string): Promise<FileInfo | null> {
    return again(async () => {
      const response = await this.#unlessGone(path, { method: "HEAD" });
      if (response === null) return null;
      const { headers } = response;
      return {
        size: Number(headers.get("Content-Length")),
        writtenAt: Date.parse(headers.get("Last-Modified") ?? ""),
      };
    });
  }

  /** Makes a file of what is in memory, in place of one that was there, and the folders it lies in. */
  async write(path: string, bytes: Uint8Array | string): Promise<void> {
    await again(() => this.#put(path, bytes));
  }

  /** As {@link write}, of a stream that says its length, as one can be read once. @throws what breaks it off: then there is no file */
  writeStream(path: string, body: ReadableStream): Promise<void> {
    return this.#put(path, body);
  }

  /** Takes away a file, or a folder with all that is in it. @returns whether there was one */
  remove(path: string): Promise<boolean> {
    return again(async () => {
      const response = await this.#unlessGone(path, { method: "DELETE" });
      await response?.body?.cancel();
      return response !== null;
    });
  }

  /** The names of what lies in a folder, in no order; none when there is no folder. */
  list(path: string): Promise<string[]> {
    return again(async () => {
      const response = await this.#unlessGone(`${path}/`, {});
      if (response === null) return [];
      const entries = await response.json<{ name: string }[]>();
      return entries.map(({ name }) => name);
    });
  }

  async #put(path: string, body: BodyInit): Promise<void> {
    const response = await this.#disk.fetch(ORIGIN + path, { method: "PUT", body });
    await response.body?.cancel();
    if (!response.ok) throw new DiskFault(`PUT was answered ${response.status}`);
  }

  /** Null for what is not there: no file, or none of the range. */
  async #unlessGone(path: string, init: RequestInit): Promise<Response | null> {
    const response = await this.#disk.fetch(ORIGIN + path, init);
    if (response.ok) return response;
    await response.body?.cancel();
    if (response.status === 404 || response.status === 416) return null;
    throw new DiskFault(`${init.method ?? "GET"} was answered ${response.status}`);
  }
}

function again<T>(attempt: () => Promise<T>): Promise<T> {
  // A misuse of the API is no fault of the disk.
  return retried("the object store", attempt, (error) => !(error instanceof TypeError));
}
