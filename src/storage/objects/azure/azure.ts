/**
 * Azure Blob Storage, in block blobs. How it is asked is in container.ts.
 *
 * A multipart upload is nothing there but blocks that wait under the blob's name, a week at most, for a list that
 * makes the blob of them. So beginning one asks nothing, and the store never says that it has dropped one: then the
 * list is refused in the end.
 */

import { log } from "../../../log.ts";
import type { Digest } from "../../../oci/digest.ts";
import { type ByteRange, formatRange } from "../../../oci/range.ts";
import { putHashed } from "../hashed-put.ts";
import type { Capabilities, Links, Multipart, ObjectInfo, Objects, Page, Part, Source } from "../objects.ts";
import { again, documentOf, Refusal } from "../service.ts";
import type { OpenStore, StoreSettings } from "../store-settings.ts";
import { childrenOf, escapeXml, textOf } from "../xml.ts";
import { type AzureCall, AzureContainer, type AzureLogin } from "./container.ts";

// https://learn.microsoft.com/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs
const CAN: Capabilities = {
  // MD5 and CRC-64 only.
  verifies: [],
  // 5,000 MiB.
  maxPut: 4 * 1024 ** 3,
  maxParts: 50_000,
  smallestPart: 1,
  largestPart: 4000 * 1024 ** 2,
  equalParts: false,
};

/** Keys are deleted one by one; a Worker has six connections at once. */
const DELETED_TOGETHER = 5;

/** How long a part may be on its way. Milliseconds. */
const PART_PATIENCE = 5 * 60_000;

/** Tells its uploads from those of another store, which the registry may have been in before. */
const OURS = "azure:";

const BLOCK_BLOB = { "x-ms-blob-type": "BlockBlob" };

class AzureObjects implements Objects {
  readonly can = CAN;
  readonly links: Links | null;
  readonly #container: AzureContainer;

  constructor(container: AzureContainer) {
    this.#container = container;
    this.links = container.links;
  }

  putVerified(
    key: string,
    body: Source,
    length: number,
    digest: Digest,
  ): Promise<"stored" | "mismatch" | "interrupted"> {
    return putHashed(key, body, length, digest, (stream) =>
      this.#drop("PUT", key, { headers: BLOCK_BLOB, body: stream, length, patience: null }),
    );
  }

  put(key: string, bytes: Uint8Array | string): Promise<void> {
    const body = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    const { byteLength: length } = body;
    return again(() =>
      this.#drop("PUT", key, { headers: BLOCK_BLOB, body, length, patience: PART_PATIENCE }),
    );
  }

  get(key: string, range: ByteRange | null): Promise<ReadableStream | null> {
    const headers: Record<string, string> = range === null ? {} : { "x-ms-range": formatRange(range) };
    return again(async () => {
      const response = await this.#unlessGone("GET", key, { headers });
      return response?.body ?? null;
    });
  }

  head(key: string): Promise<ObjectInfo | null> {
    return again(async () => {
      const response = await this.#unlessGone("HEAD", key);
      if (response === null) return null;
      const { headers } = response;
      const createdAt = Date.parse(headers.get("Last-Modified") ?? "");
      return { key, size: Number(headers.get("Content-Length")), createdAt };
    });
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += DELETED_TOGETHER) {
      const some = keys.slice(start, start + DELETED_TOGETHER);
      await Promise.all(some.map((key) => again(() => this.#unlessGone("DELETE", key))));
    }
  }

  list(prefix: string, from: string | null, limit: number): Promise<Page> {
    return again(async () => {
      try {
        return await this.#page(prefix, from?.slice(prefix.length) ?? "", limit);
      } catch (error) {
        if (from === null || !(error instanceof Refusal && error.status === 400)) throw error;
        // What another store named, in which the registry was before: then from the beginning.
        return this.#page(prefix, "", limit);
      }
    });
  }

  async #page(prefix: string, marker: string, maxresults: number): Promise<Page> {
    const query = {
      ...{ restype: "container", comp: "list", prefix, maxresults: String(maxresults) },
      ...(marker !== "" && { marker }),
    };
    const root = await documentOf(await this.#container.call("GET", null, { query }));
    const entries = childrenOf(root, "Blobs").flatMap((blobs) => childrenOf(blobs, "Blob"));
    const objects = entries.map((entry): ObjectInfo => {
      const [name] = childrenOf(entry, "Name");
      const [properties = entry] = childrenOf(entry, "Properties");
      const text = name?.text ?? "";
      return {
        // What cannot stand in XML is encoded.
        key: name?.attributes.Encoded === "true" ? decodeURIComponent(text) : text,
        size: Number(textOf(properties, "Content-Length")),
        createdAt: Date.parse(textOf(properties, "Last-Modified") ?? ""),
      };
    });
    const next = textOf(root, "NextMarker");
    return { objects, next: next ? `${prefix}${next}` : null };
  }

  async beginMultipart(key: string): Promise<Multipart> {
    return { key, id: `${OURS}${crypto.randomUUID()}` };
  }

  async putPart({ key, id }: Multipart, number: number, bytes: Uint8Array): Promise<Part | null> {
    if (!id.startsWith(OURS)) return null;
    const blockid = btoa(`${id}-${String(number).padStart(5, "0")}`);
    const call = { body: bytes, length: bytes.byteLength, patience: PART_PATIENCE };
    await again(() => this.#drop("PUT", key, { query: { comp: "block", blockid }, ...call }));
    return { number, etag: blockid };
  }

  async completeMultipart({ key, id }: Multipart, parts: Part[]): Promise<boolean> {
    if (!id.startsWith(OURS)) return false;
    const blocks = parts.map(({ etag }) => `<Latest>${escapeXml(etag)}</Latest>`).join("");
    const body = `<?xml version="1.0" encoding="utf-8"?><BlockList>${blocks}</BlockList>`;
    const call = { query: { comp: "blocklist" }, body, length: body.length, patience: PART_PATIENCE };
    return again(async () => {
      try {
        // A list that was taken before is taken again.
        await this.#drop("PUT", key, call);
        return true;
      } catch (error) {
        if (!(error instanceof Refusal && BAD_BLOCKS.has(error.code))) throw error;
        log("multipart-refused", { key, error }, "warn");
        return false;
      }
    });
  }

  /** Blocks cannot be deleted: a blob that takes their name does that, and goes itself. */
  async abortMultipart({ key, id }: Multipart): Promise<void> {
    if (!id.startsWith(OURS)) return;
    const headers = { ...BLOCK_BLOB, "if-none-match": "*" };
    const emptied = await again(async () => {
      try {
        await this.#drop("PUT", key, { headers, body: new Uint8Array(0) });
        return true;
      } catch (error) {
        if (error instanceof Refusal && error.code === "BlobAlreadyExists") return false;
        throw error;
      }
    });
    // What is there is the upload, complete; or this empty blob, with its answer lost.
    if (emptied || (await this.head(key))?.size === 0) await this.delete([key]);
  }

  async #drop(method: string, key: string, call: AzureCall): Promise<void> {
    const response = await this.#container.call(method, key, call);
    await response.body?.cancel();
  }

  /** Null when there is no such blob. */
  async #unlessGone(method: string, key: string, call: AzureCall = {}): Promise<Response | null> {
    try {
      return await this.#container.call(method, key, call);
    } catch (error) {
      if (error instanceof Refusal && error.code === "BlobNotFound") return null;
      throw error;
    }
  }
}

const BAD_BLOCKS = new Set(["InvalidBlockList", "InvalidBlockId", "InvalidBlobOrBlock", "BlobNotFound"]);

export const openAzure: OpenStore = (settings) =>
  new AzureObjects(new AzureContainer(settings.url, loginOf(settings)));

/** By the account's key, or by a shared access signature. @throws Error */
function loginOf(settings: StoreSettings): AzureLogin {
  const account = settings.valueOf("ACCESS_KEY_ID");
  const key = settings.valueOf("SECRET_ACCESS_KEY");
  const sas = settings.valueOf("SAS").replace(/^\?/, "");
  const names = ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SAS"].map((what) => settings.nameOf(what));
  if (sas !== "" && key === "") {
    if (new URLSearchParams(sas).has("sig")) return { sas };
    throw new Error(`the secret ${names[2]} must be a shared access signature, like "sv=…&sig=…"`);
  }
  if (account !== "" && sas === "" && /^[A-Za-z0-9+/]+=*$/.test(key))
    return { account, key: Buffer.from(key, "base64") };
  throw new Error(
    `for ${settings} put the secrets ${names[0]} (the storage account's name) and ${names[1]} ` +
      `(one of its keys, as it is shown), or ${names[2]} alone`,
  );
}
