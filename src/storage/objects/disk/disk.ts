/**
 * A folder of this machine, which `npm start` has: R2's simulator hashes what is put in JavaScript, and joins the parts
 * of an object there for every read, which takes many times as long as the disk does.
 */

import { log } from "../../../log.ts";
import type { Digest } from "../../../oci/digest.ts";
import type { ByteRange } from "../../../oci/range.ts";
import { putHashed } from "../hashed-put.ts";
import type { Capabilities, Multipart, ObjectInfo, Objects, Page, Part, Source } from "../objects.ts";
import type { OpenStore, StoreEnv } from "../store-settings.ts";
import { Folder } from "./folder.ts";
import { type Composed, join, piecesOf, sizeOf } from "./parts.ts";
import { keysOf, partsPathOf, pathOf } from "./paths.ts";

const CAN: Capabilities = {
  verifies: [],
  maxPut: 1024 ** 4,
  maxParts: 10_000,
  smallestPart: 1,
  largestPart: 4 * 1024 ** 3,
  equalParts: false,
};

/** What its uploads' names begin with. */
const OURS = "disk:";

const DELETED_TOGETHER = 16;

class DiskObjects implements Objects {
  readonly can = CAN;
  readonly links = null;
  readonly #folder: Folder;

  constructor(folder: Folder) {
    this.#folder = folder;
  }

  putVerified(key: string, body: Source, length: number, digest: Digest) {
    return putHashed(key, body, length, digest, (stream) => this.#folder.writeStream(pathOf(key), stream));
  }

  put(key: string, bytes: Uint8Array | string): Promise<void> {
    return this.#folder.write(pathOf(key), bytes);
  }

  async get(key: string, range: ByteRange | null): Promise<ReadableStream | null> {
    const whole = await this.#folder.read(pathOf(key), range);
    if (whole !== null) return whole;
    const composed = await this.#composed(key);
    return composed && join(this.#folder, piecesOf(composed, range));
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const whole = await this.#folder.info(pathOf(key));
    if (whole !== null) return { key, size: whole.size, createdAt: whole.writtenAt };
    const composed = await this.#composed(key);
    const info = composed && (await this.#folder.info(partsPathOf(key)));
    return info && { key, size: sizeOf(composed), createdAt: info.writtenAt };
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += DELETED_TOGETHER)
      await Promise.all(keys.slice(start, start + DELETED_TOGETHER).map((key) => this.#remove(key)));
  }

  async #remove(key: string): Promise<void> {
    if (await this.#folder.remove(pathOf(key))) return;
    const composed = await this.#composed(key);
    if (composed === null) return;
    // Last what names the others: else nobody would find them again.
    await this.#folder.remove(composed.folder);
    await this.#folder.remove(partsPathOf(key));
  }

  async list(prefix: string, from: string | null, limit: number): Promise<Page> {
    const objects: ObjectInfo[] = [];
    for await (const key of keysOf((path) => this.#folder.list(path), { prefix, after: from })) {
      if (objects.length === limit) return { objects, next: objects.at(-1)?.key ?? null };
      const info = await this.head(key);
      if (info !== null) objects.push(info);
    }
    return { objects, next: null };
  }

  async beginMultipart(key: string): Promise<Multipart> {
    const multipart = { key, id: OURS + crypto.randomUUID() };
    await this.#folder.write(beginningOf(multipart), "");
    return multipart;
  }

  async putPart(multipart: Multipart, number: number, bytes: Uint8Array): Promise<Part | null> {
    if (!(await this.#isUnderWay(multipart))) return null;
    await this.#folder.write(`${folderOf(multipart)}/${number}`, bytes);
    return { number, etag: String(bytes.byteLength) };
  }

  async completeMultipart(multipart: Multipart, parts: Part[]): Promise<boolean> {
    const { key } = multipart;
    if (!(await this.#isUnderWay(multipart))) return this.#isComplete(multipart);
    const folder = folderOf(multipart);
    for (const { number, etag } of parts) {
      const info = await this.#folder.info(`${folder}/${number}`);
      if (info !== null && String(info.size) === etag) continue;
      log("multipart-refused", { key, error: `part ${number} is another one` }, "warn");
      return false;
    }
    const composed: Composed = {
      folder,
      parts: parts.map(({ number, etag }) => ({ number, size: Number(etag) })),
    };
    await this.#folder.write(partsPathOf(key), JSON.stringify(composed));
    await this.#folder.remove(beginningOf(multipart));
    return true;
  }

  async abortMultipart(multipart: Multipart): Promise<void> {
    if (!isOurs(multipart)) return;
    // Its end may have been interrupted behind the object; and an abort behind the beginning, as files go in any order.
    if (await this.#isComplete(multipart)) await this.#folder.remove(beginningOf(multipart));
    else await this.#folder.remove(folderOf(multipart));
  }

  /** Neither complete nor dropped. */
  async #isUnderWay(multipart: Multipart): Promise<boolean> {
    return isOurs(multipart) && (await this.#folder.info(beginningOf(multipart))) !== null;
  }

  async #isComplete(multipart: Multipart): Promise<boolean> {
    return (await this.#composed(multipart.key))?.folder === folderOf(multipart);
  }

  /** Null when there is no object, or none of parts. */
  async #composed(key: string): Promise<Composed | null> {
    const text = await this.#folder.readText(partsPathOf(key));
    return text === null ? null : (JSON.parse(text) as Composed);
  }
}

/** Whether this store has begun it, and not the one that objects are moved from. */
function isOurs({ id }: Multipart): boolean {
  return id.startsWith(OURS);
}

function folderOf({ id }: Multipart): string {
  return `parts/${id.slice(OURS.length)}`;
}

/** A file that is there as long as the upload is under way. */
function beginningOf(multipart: Multipart): string {
  return `${folderOf(multipart)}/begun`;
}

/** The binding that no configuration has: `npm start` adds it. */
interface DiskBinding {
  DISK?: Fetcher;
}

export const openDisk: OpenStore = ({ env, which }) => {
  const { DISK } = env as StoreEnv & DiskBinding;
  if (DISK === undefined)
    throw new Error(`the setting ${which} is "disk", which is a folder that only npm start has`);
  return new DiskObjects(new Folder(DISK));
};
