/** S3, and what speaks as it does. How it is asked is in bucket.ts. */

import { createHash } from "node:crypto";
import { log } from "../../../log.ts";
import type { Digest } from "../../../oci/digest.ts";
import { type ByteRange, formatRange } from "../../../oci/range.ts";
import { putHashed } from "../hashed-put.ts";
import type { Capabilities, Links, Multipart, ObjectInfo, Objects, Page, Part, Source } from "../objects.ts";
import { again, documentOf, isPassing, Refusal } from "../service.ts";
import type { OpenStore, StoreSettings } from "../store-settings.ts";
import { childrenOf, escapeXml, textOf } from "../xml.ts";
import { S3Bucket } from "./bucket.ts";

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html, and the same of Google Cloud Storage.
const CAN: Capabilities = {
  // Some that speak its protocol do. None is trusted to.
  verifies: [],
  // 5 GiB.
  maxPut: 4 * 1024 ** 3,
  maxParts: 10_000,
  smallestPart: 5 * 1024 ** 2,
  largestPart: 5 * 1024 ** 3,
  equalParts: false,
};

const KEYS_PER_CALL = 1000;

/** Where they go one by one; a Worker has six connections at once. */
const DELETED_TOGETHER = 5;

/** How long a part may be on its way. Milliseconds. */
const PART_PATIENCE = 5 * 60_000;

/** What is wrong with parts: they never become an object. */
const BAD_PARTS = new Set(["NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall"]);

/** Tells its uploads from those of another store, which the registry may have been in before. */
const OURS = "s3:";

class S3Objects implements Objects {
  readonly can = CAN;
  readonly links: Links;
  readonly #bucket: S3Bucket;
  readonly #deletesMany: boolean;

  /** @param deletesMany whether many keys can be deleted by one call */
  constructor(bucket: S3Bucket, deletesMany: boolean) {
    this.#bucket = bucket;
    this.links = bucket.links;
    this.#deletesMany = deletesMany;
  }

  putVerified(
    key: string,
    body: Source,
    length: number,
    digest: Digest,
  ): Promise<"stored" | "mismatch" | "interrupted"> {
    return putHashed(key, body, length, digest, (stream) =>
      this.#bucket.drop("PUT", key, { body: stream, patience: null }),
    );
  }

  put(key: string, bytes: Uint8Array | string): Promise<void> {
    return again(() => this.#bucket.drop("PUT", key, { body: bytes, patience: PART_PATIENCE }));
  }

  get(key: string, range: ByteRange | null): Promise<ReadableStream | null> {
    const headers: Record<string, string> = range === null ? {} : { Range: formatRange(range) };
    return again(async () => {
      const response = await this.#bucket.unlessGone("GET", key, { headers });
      if (response === null) return null;
      if (range === null || response.status === 206) return response.body;
      await response.body?.cancel();
      throw new Refusal(response.status, "RangeIgnored", "the store answered a range with the whole");
    });
  }

  head(key: string): Promise<ObjectInfo | null> {
    return again(async () => {
      try {
        const { headers } = await this.#bucket.call("HEAD", key);
        const size = Number(headers.get("Content-Length"));
        return { key, size, createdAt: Date.parse(headers.get("Last-Modified") ?? "") };
      } catch (error) {
        if (!(error instanceof Refusal) || isPassing(error)) throw error;
        // It has no body, which would say whether it is the object that is not there, or the bucket, or the right.
        const response = await this.#bucket.unlessGone("GET", key, { headers: { Range: "bytes=0-0" } });
        await response?.body?.cancel();
        if (response === null) return null;
        throw new Refusal(503, "SlowDown", "it came just now");
      }
    });
  }

  async delete(keys: readonly string[]): Promise<void> {
    const many = keys.length > 1 && this.#deletesMany;
    const together = many ? KEYS_PER_CALL : DELETED_TOGETHER;
    for (let start = 0; start < keys.length; start += together) {
      const some = keys.slice(start, start + together);
      if (many) await again(() => this.#deleteMany(some));
      else await Promise.all(some.map((key) => this.#deleteOne(key)));
    }
  }

  async #deleteOne(key: string): Promise<void> {
    await again(async () => {
      const response = await this.#bucket.unlessGone("DELETE", key);
      await response?.body?.cancel();
    });
  }

  async #deleteMany(keys: readonly string[]): Promise<void> {
    const objects = keys.map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`).join("");
    const body = `<Delete xmlns="${NAMESPACE}"><Quiet>true</Quiet>${objects}</Delete>`;
    const headers = {
      "Content-MD5": createHash("md5").update(body).digest("base64"),
      "Content-Type": "application/xml",
    };
    const response = await this.#bucket.call("POST", null, { query: { delete: "" }, headers, body });
    const left = childrenOf(await documentOf(response), "Error");
    const failed = left.find((error) => textOf(error, "Code") !== "NoSuchKey");
    if (failed === undefined) return;
    const code = textOf(failed, "Code") ?? "";
    throw new Refusal(200, code, `${left.length} of ${keys.length} keys: ${textOf(failed, "Message")}`);
  }

  list(prefix: string, from: string | null, limit: number): Promise<Page> {
    const query = {
      "list-type": "2",
      "encoding-type": "url",
      "max-keys": String(limit),
      prefix,
      ...(from !== null && { "start-after": from }),
    };
    return again(async () => {
      const response = await this.#bucket.call("GET", null, { query });
      const root = await documentOf(response);
      const encoded = textOf(root, "EncodingType") === "url";
      const objects = childrenOf(root, "Contents").map((entry) => {
        const key = textOf(entry, "Key") ?? "";
        const createdAt = Date.parse(textOf(entry, "LastModified") ?? "");
        return { key: encoded ? decode(key) : key, size: Number(textOf(entry, "Size")), createdAt };
      });
      const more = textOf(root, "IsTruncated") === "true";
      return { objects, next: more ? (objects.at(-1)?.key ?? null) : null };
    });
  }

  beginMultipart(key: string): Promise<Multipart> {
    return again(async () => {
      const response = await this.#bucket.call("POST", key, { query: { uploads: "" } });
      const id = textOf(await documentOf(response), "UploadId");
      if (id === null) throw new Refusal(response.status, "NoUploadId", "the answer has none");
      return { key, id: `${OURS}${id}` };
    });
  }

  async putPart({ key, id }: Multipart, number: number, bytes: Uint8Array): Promise<Part | null> {
    if (!id.startsWith(OURS)) return null;
    const query = { partNumber: String(number), uploadId: id.slice(OURS.length) };
    return again(async () => {
      try {
        const response = await this.#bucket.call("PUT", key, { query, body: bytes, patience: PART_PATIENCE });
        await response.body?.cancel();
        return { number, etag: response.headers.get("ETag") ?? "" };
      } catch (error) {
        if (error instanceof Refusal && error.code === "NoSuchUpload") return null;
        throw error;
      }
    });
  }

  async completeMultipart(multipart: Multipart, parts: Part[]): Promise<boolean> {
    const { key, id } = multipart;
    if (!id.startsWith(OURS)) return false;
    const list = parts.map(
      ({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
    );
    const body = `<CompleteMultipartUpload xmlns="${NAMESPACE}">${list.join("")}</CompleteMultipartUpload>`;
    const headers = { "Content-Type": "application/xml" };
    return again(async () => {
      try {
        const call = { query: { uploadId: id.slice(OURS.length) }, headers, body, patience: PART_PATIENCE };
        const root = await documentOf(await this.#bucket.call("POST", key, call));
        // It may think for long, and begin its answer before it knows.
        if (root.name === "Error")
          throw new Refusal(200, textOf(root, "Code") ?? "", textOf(root, "Message") ?? "");
        return true;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        // Ceph has an internal error for an upload that it does not have any more.
        const dropped = error.status === 500 && (await this.#hasDropped(multipart));
        if (!dropped && !BAD_PARTS.has(error.code)) throw error;
        // An earlier try may have gone through, with its answer lost: then the upload has gone.
        if ((await this.head(key)) !== null) return true;
        log("multipart-refused", { key, error }, "warn");
        return false;
      }
    });
  }

  /** Whether it says that there is no such upload. Not every key may ask: then nothing is known. */
  async #hasDropped({ key, id }: Multipart): Promise<boolean> {
    const query = { uploadId: id.slice(OURS.length), "max-parts": "1" };
    try {
      const response = await this.#bucket.unlessGone("GET", key, { query });
      await response?.body?.cancel();
      return response === null;
    } catch {
      return false;
    }
  }

  async abortMultipart({ key, id }: Multipart): Promise<void> {
    if (!id.startsWith(OURS)) return;
    const query = { uploadId: id.slice(OURS.length) };
    await again(async () => {
      const response = await this.#bucket.unlessGone("DELETE", key, { query });
      await response?.body?.cancel();
    });
  }
}

export const openS3: OpenStore = (settings) => openLikeS3(settings, { region: null, deletesMany: true });

/**
 * A store that speaks as S3 does.
 * @param region where the settings name none; null tells it from the host
 * @param deletesMany whether many keys can be deleted by one call
 */
export function openLikeS3(
  settings: StoreSettings,
  { region, deletesMany }: { region: string | null; deletesMany: boolean },
): Objects {
  const endpoint = { url: settings.url, region: settings.valueOf("REGION") || region, ...settings.keys };
  return new S3Objects(new S3Bucket(endpoint), deletesMany);
}

const NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

/** As `encoding-type=url` encodes keys. */
function decode(key: string): string {
  return decodeURIComponent(key.replaceAll("+", " "));
}
