/**
 * An OCI image layout that is written (image specification, "image-layout"). A file under blobs is whole, and hashes
 * to its name: it is written elsewhere, compared, and then moved there. So what an interruption leaves can be gone on
 * with, and index.json never names what is not there.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { algorithmOf, type Digest, hexOf, snapshot } from "../../oci/digest.ts";
import { badInput, describe, Failure } from "../failure.ts";

/** Where half a blob is kept. */
const PARTIAL = ".partial";
const NAME = "org.opencontainers.image.ref.name";

export interface IndexEntry {
  mediaType: string;
  digest: string;
  /** Bytes. */
  size: number;
  annotations?: Record<string, string>;
}

export class Layout {
  readonly #folder: string;
  readonly #entries: IndexEntry[];

  private constructor(folder: string, entries: IndexEntry[]) {
    this.#folder = folder;
    this.#entries = entries;
  }

  /** A new one, or one that is there already. @throws Failure for a folder that holds something else */
  static async open(folder: string): Promise<Layout> {
    await mkdir(folder, { recursive: true });
    const files = await readdir(folder);
    if (files.length > 0 && !files.includes("oci-layout")) {
      throw badInput(`${folder} is not empty, and no OCI layout: choose another folder.`);
    }
    await mkdir(join(folder, PARTIAL), { recursive: true });
    const entries = files.includes("index.json") ? await readIndex(join(folder, "index.json")) : [];
    const layout = new Layout(folder, entries);
    await layout.#write("oci-layout", '{"imageLayoutVersion":"1.0.0"}');
    await layout.#save();
    return layout;
  }

  async has(digest: Digest): Promise<boolean> {
    return (await stat(this.#path(digest)).catch(() => null)) !== null;
  }

  /** What was written before. */
  read(digest: Digest): Promise<Buffer> {
    return readFile(this.#path(digest));
  }

  /** A small blob: a manifest whose bytes are known to hash to the digest. */
  async put(digest: Digest, bytes: Buffer): Promise<void> {
    await this.#write(blobPath(digest), bytes);
  }

  /**
   * A blob of any size, as it comes.
   * @param read its bytes from an offset on
   * @returns how many of its bytes were left from before
   * @throws Failure when it is not what its digest says
   */
  async stream(digest: Digest, read: (offset: number) => AsyncIterable<Uint8Array>): Promise<number> {
    const path = join(this.#folder, PARTIAL, digest.replace(":", "-"));
    const hash = createHash(algorithmOf(digest));
    const file = await open(path, "a");
    let left = 0;
    try {
      for await (const piece of createReadStream(path)) {
        hash.update(piece);
        left += piece.length;
      }
      for await (const piece of read(left)) {
        hash.update(piece);
        await writeAll(file, piece);
      }
      await file.sync();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      throw new Failure(`There is no room left for ${path}. Make some, and run the same command again.`);
    } finally {
      await file.close();
    }
    if (snapshot(hash, algorithmOf(digest)) !== digest) {
      await rm(path, { force: true });
      throw new Failure(`The bytes of ${digest} are something else: they are damaged there.`);
    }
    await mkdir(dirname(this.#path(digest)), { recursive: true });
    await rename(path, this.#path(digest));
    return left;
  }

  /** @param name under which it is found; null for what refers to something else in here */
  async add(entry: IndexEntry, name: string | null): Promise<void> {
    const same = this.#entries.findIndex((each) => {
      if (name !== null) return each.annotations?.[NAME] === name;
      return each.digest === entry.digest && each.annotations?.[NAME] === undefined;
    });
    const added = name === null ? entry : { ...entry, annotations: { [NAME]: name } };
    if (same === -1) this.#entries.push(added);
    else this.#entries[same] = added;
    await this.#save();
  }

  /** The digest under a name; null when there is none. */
  digestOf(name: string): string | null {
    return this.#entries.find(({ annotations }) => annotations?.[NAME] === name)?.digest ?? null;
  }

  /** Takes away what was only needed on the way. */
  async close(): Promise<void> {
    await rm(join(this.#folder, PARTIAL), { recursive: true, force: true });
  }

  #save(): Promise<void> {
    const index = {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: this.#entries,
    };
    return this.#write("index.json", JSON.stringify(index, null, 2));
  }

  async #write(name: string, content: string | Buffer): Promise<void> {
    const path = join(this.#folder, name);
    const fresh = join(this.#folder, PARTIAL, `${name.replaceAll("/", "-")}.new`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(fresh, content);
    await rename(fresh, path);
  }

  #path(digest: Digest): string {
    return join(this.#folder, blobPath(digest));
  }
}

function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.length; ) {
    start += (await file.write(bytes, start)).bytesWritten;
  }
}

async function readIndex(path: string): Promise<IndexEntry[]> {
  try {
    const { manifests } = JSON.parse(await readFile(path, "utf8"));
    if (Array.isArray(manifests)) return manifests;
  } catch (error) {
    throw badInput(`Cannot read ${path}: ${describe(error)}.`);
  }
  throw badInput(`${path} has no list of manifests: choose another folder.`);
}
