/** A store of the tests' own: what another one takes, written as the others are and registered by the same line. */

import { algorithmOf, digestOf } from "../../src/oci/digest.ts";
import type {
  Capabilities,
  Multipart,
  ObjectInfo,
  Objects,
  Page,
  Part,
} from "../../src/storage/objects/objects.ts";
import type { OpenStore } from "../../src/storage/objects/store-settings.ts";

const CAN: Capabilities = {
  verifies: ["sha256", "sha512"],
  maxPut: 1024 ** 3,
  maxParts: 10_000,
  smallestPart: 1,
  largestPart: 1024 ** 3,
  equalParts: false,
};

const OURS = "memory:";

interface Stored {
  bytes: Uint8Array;
  createdAt: number;
}

interface Bucket {
  objects: Map<string, Stored>;
  uploads: Map<string, Map<number, Uint8Array>>;
}

/** By their URLs, as long as the isolate lives. */
const buckets = new Map<string, Bucket>();

/** @throws Error when STORE_URL is none, or the secret is another than "open sesame" */
export const openMemory: OpenStore = (settings) => {
  const { url } = settings;
  if (settings.valueOf("WORD") !== "open sesame")
    throw new Error(`the secret ${settings.nameOf("WORD")} is wrong for ${settings}`);
  const bucket = buckets.get(url) ?? { objects: new Map(), uploads: new Map() };
  buckets.set(url, bucket);
  return objectsIn(bucket);
};

function objectsIn({ objects, uploads }: Bucket): Objects {
  const keep = (key: string, bytes: Uint8Array) => objects.set(key, { bytes, createdAt: Date.now() });
  const infoOf = (key: string, { bytes, createdAt }: Stored): ObjectInfo => ({
    ...{ key, size: bytes.byteLength, createdAt },
  });
  return {
    can: CAN,
    links: null,
    async putVerified(key, body, length, digest) {
      const { readable, writable } = new FixedLengthStream(length);
      const never = new AbortController();
      const options = { signal: never.signal, preventCancel: true };
      const [sent, read] = await Promise.allSettled([
        body.pipeTo(writable, options),
        new Response(readable).bytes(),
      ]);
      if (sent.status === "rejected" || read.status === "rejected") return "interrupted";
      if (digestOf(read.value, algorithmOf(digest)) !== digest) return "mismatch";
      keep(key, read.value);
      return "stored";
    },
    async put(key, bytes) {
      keep(key, typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes.slice());
    },
    async get(key, range) {
      const stored = objects.get(key);
      if (stored === undefined) return null;
      const { offset, length } = range ?? { offset: 0, length: stored.bytes.byteLength };
      return new Response(stored.bytes.slice(offset, offset + length)).body;
    },
    async head(key) {
      const stored = objects.get(key);
      return stored === undefined ? null : infoOf(key, stored);
    },
    async delete(keys) {
      for (const key of keys) objects.delete(key);
    },
    async list(prefix, from, limit): Promise<Page> {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > (from ?? "")).sort();
      const listed = keys.slice(0, limit).map((key) => infoOf(key, objects.get(key) as Stored));
      return { objects: listed, next: keys.length > limit ? (listed.at(-1)?.key ?? null) : null };
    },
    async beginMultipart(key) {
      const id = `${OURS}${crypto.randomUUID()}`;
      uploads.set(id, new Map());
      return { key, id };
    },
    async putPart({ id }: Multipart, number, bytes): Promise<Part | null> {
      const parts = uploads.get(id);
      if (parts === undefined) return null;
      parts.set(number, bytes.slice());
      return { number, etag: digestOf(bytes, "sha256") };
    },
    async completeMultipart({ key, id }, parts) {
      const sent = uploads.get(id);
      if (sent === undefined) return id.startsWith(OURS) && objects.has(key);
      const pieces = parts.map(({ number, etag }) => {
        const bytes = sent.get(number);
        return bytes !== undefined && digestOf(bytes, "sha256") === etag ? bytes : null;
      });
      if (pieces.includes(null)) return false;
      keep(key, await new Blob(pieces as Uint8Array<ArrayBuffer>[]).bytes());
      uploads.delete(id);
      return true;
    },
    async abortMultipart({ id }) {
      uploads.delete(id);
    },
  };
}
