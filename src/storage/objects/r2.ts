/** R2: the one file that calls it. Its retries and its error numbers end here. */

import { log } from "../../log.ts";
import { algorithmOf, type Digest, hexOf } from "../../oci/digest.ts";
import type { ByteRange } from "../../oci/range.ts";
import { retried } from "../retry.ts";
import type { Capabilities, Links, Multipart, ObjectInfo, Objects, Page, Part, Source } from "./objects.ts";
import { s3Links } from "./signed-url.ts";
import { isStoreUrl, type OpenStore, type StoreEnv } from "./store-settings.ts";

/** R2 deletes this many keys a call; the simulator does not enforce it. */
const KEYS_PER_CALL = 1000;

// https://developers.cloudflare.com/r2/api/error-codes/
const BAD_DIGEST = 10037;
const NO_SUCH_UPLOAD = 10024;

/** Passing: internal error, not available, too many requests at once. Any other number is a refusal. */
const PASSING = new Set([10001, 10043, 10054, 10058]);

// https://developers.cloudflare.com/r2/platform/limits/
const CAN: Capabilities = {
  verifies: ["sha256", "sha512"],
  // R2's own limit is just under 5 GiB.
  maxPut: 4 * 1024 ** 3,
  maxParts: 10_000,
  smallestPart: 5 * 1024 ** 2,
  largestPart: 4 * 1024 ** 3,
  equalParts: true,
};

class R2Objects implements Objects {
  readonly can = CAN;
  readonly links: Links | null;
  readonly #bucket: R2Bucket;

  /** @param links by its S3 endpoint */
  constructor(bucket: R2Bucket, links: Links | null) {
    this.#bucket = bucket;
    this.links = links;
  }

  async putVerified(
    key: string,
    body: Source,
    length: number,
    digest: Digest,
  ): Promise<"stored" | "mismatch" | "interrupted"> {
    // R2 demands a known length, which a body that came through RPC has lost.
    const { readable, writable } = new FixedLengthStream(length);
    const refused = new AbortController();
    const [sent, stored] = await Promise.allSettled([
      // The rest of a refused body is the caller's to read: a client that still sends would not hear the answer.
      body.pipeTo(writable, { signal: refused.signal, preventCancel: true }),
      this.#bucket.put(key, readable, { [algorithmOf(digest)]: hexOf(digest) }).catch((error) => {
        // R2 may refuse before it has read everything: then nobody would read the rest.
        refused.abort(error);
        throw error;
      }),
    ]);
    if (stored.status === "fulfilled") return "stored";
    const code = codeOf(stored.reason);
    if (code === BAD_DIGEST) return "mismatch";
    const perhapsBroke = code === null && sent.status === "rejected";
    if (!perhapsBroke && !isPassing(stored.reason)) throw stored.reason;
    // A client that hangs up is daily business; a store that fails is not.
    if (!perhapsBroke) log("object-not-put", { key, error: stored.reason }, "warn");
    // The body has been read, so only the client can try again.
    return "interrupted";
  }

  async put(key: string, bytes: Uint8Array | string): Promise<void> {
    await again(() => this.#bucket.put(key, bytes));
  }

  async get(key: string, range: ByteRange | null): Promise<ReadableStream | null> {
    const object = await again(() => this.#bucket.get(key, range === null ? {} : { range }));
    return object?.body ?? null;
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const object = await again(() => this.#bucket.head(key));
    return object && infoOf(object);
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += KEYS_PER_CALL) {
      await again(() => this.#bucket.delete(keys.slice(start, start + KEYS_PER_CALL)));
    }
  }

  async list(prefix: string, from: string | null, limit: number): Promise<Page> {
    const options = { prefix, limit, ...(from === null ? {} : { startAfter: from }) };
    const page = await again(() => this.#bucket.list(options));
    return {
      objects: page.objects.map(infoOf),
      next: page.truncated ? (page.objects.at(-1)?.key ?? null) : null,
    };
  }

  async beginMultipart(key: string): Promise<Multipart> {
    const { uploadId } = await again(() => this.#bucket.createMultipartUpload(key));
    return { key, id: uploadId };
  }

  async putPart(multipart: Multipart, number: number, bytes: Uint8Array): Promise<Part | null> {
    if (isForeign(multipart)) return null;
    try {
      const { etag } = await again(() => this.#resume(multipart).uploadPart(number, bytes));
      return { number, etag };
    } catch (error) {
      if (codeOf(error) === NO_SUCH_UPLOAD) return null;
      throw error;
    }
  }

  async completeMultipart(multipart: Multipart, parts: Part[]): Promise<boolean> {
    if (isForeign(multipart)) return false;
    const list = parts.map(({ number, etag }) => ({ partNumber: number, etag }));
    return again(async () => {
      try {
        await this.#resume(multipart).complete(list);
        return true;
      } catch (error) {
        // R2 refuses to complete twice: an earlier try may have gone through, with its answer lost.
        if ((await this.#bucket.head(multipart.key)) !== null) return true;
        if (isPassing(error)) throw error;
        // Whatever R2 finds wrong with the parts, they never become an object.
        log("multipart-refused", { key: multipart.key, error }, "warn");
        return false;
      }
    });
  }

  async abortMultipart(multipart: Multipart): Promise<void> {
    if (isForeign(multipart)) return;
    try {
      await again(() => this.#resume(multipart).abort());
    } catch (error) {
      if (codeOf(error) !== NO_SUCH_UPLOAD) throw error;
    }
  }

  #resume({ key, id }: Multipart): R2MultipartUpload {
    return this.#bucket.resumeMultipartUpload(key, id);
  }
}

export const openR2: OpenStore = ({ env }) => new R2Objects(env.BUCKET, linksOf(env));

/** The secrets of R2's S3 endpoint, which are no variables of wrangler.toml: absent until they are put. */
export interface R2Secrets {
  R2_ACCESS_KEY_ID?: string;
  R2_SECRET_ACCESS_KEY?: string;
}

/** R2's binding signs nothing: its S3 endpoint does. Null where that is not set. */
function linksOf(env: StoreEnv & R2Secrets): Links | null {
  const { R2_S3_ENDPOINT: url, R2_ACCESS_KEY_ID: accessKeyId, R2_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey || !isStoreUrl(url)) return null;
  return s3Links({ url, region: "auto", accessKeyId, secretAccessKey });
}

/** Whether it is another store's, which the registry was in before: those say whose they are. */
function isForeign({ id }: Multipart): boolean {
  return id.includes(":");
}

function infoOf({ key, size, uploaded }: R2Object): ObjectInfo {
  return { key, size, createdAt: uploaded.getTime() };
}

function again<T>(attempt: () => Promise<T>): Promise<T> {
  return retried("the object store", attempt, isPassing);
}

function isPassing(error: unknown): boolean {
  // A misuse of the API is no fault of the service.
  if (error instanceof TypeError) return false;
  const code = codeOf(error);
  return code === null || PASSING.has(code);
}

/** R2 puts its error's number in brackets at the end of the message. Null when the error is not R2's. */
function codeOf(error: unknown): number | null {
  const match = /\((\d{5})\)\s*$/.exec(String(error));
  return match === null ? null : Number(match[1]);
}
