/**
 * A client in the specification's verbs, for every registry that can be sent a request: the Worker in the tests'
 * own workerd, and those behind a port. Verbs whose refusal is worth looking at answer with the raw Response.
 */

import { createHash } from "node:crypto";
import type { Digest } from "../../src/oci/digest.ts";
import { MANIFEST_MEDIA_TYPES } from "../../src/oci/media-types.ts";
import { bytesOf, sha256 } from "./content.ts";
import type { Descriptor } from "./manifests.ts";

/** @param path with its query */
export type Send = (method: string, path: string, init?: RequestInit) => Promise<Response>;

type Headers = Record<string, string>;
type Body = NonNullable<RequestInit["body"]>;

export interface ManifestHead {
  status: number;
  digest: string;
  mediaType: string;
  length: number;
}

export type Client = ReturnType<typeof clientOf>;

/** The verbs, each a function that needs no `this`. */
export function clientOf(send: Send) {
  return { send, expect, ...uploads(send), ...reading(send) };

  /** @throws unless the status is one of `expected` */
  function expect(expected: number[], method: string, path: string, init?: RequestInit): Promise<Response> {
    return answered(expected, send(method, path, init), `${method} ${path}`);
  }
}

function uploads(send: Send) {
  return { startUpload, uploadOffset, patch, close, postBlob, pushBlob, putManifest };

  /** end-4a. @returns the session's Location */
  async function startUpload(name: string, query = ""): Promise<string> {
    const path = `/v2/${name}/blobs/uploads/${query}`;
    return locationOf(await answered([202], send("POST", path), `POST ${path}`));
  }

  /** end-13. @returns how many bytes the session has; a session of one byte cannot be told from an empty one */
  async function uploadOffset(location: string): Promise<number> {
    const { headers } = await answered([204], send("GET", location), `GET ${location}`);
    const last = Number(/^0-(\d+)$/.exec(headers.get("Range") ?? "")?.[1]);
    return last === 0 ? 0 : last + 1;
  }

  /** end-5 */
  function patch(location: string, body: Body | null, headers: Headers = {}): Promise<Response> {
    return send("PATCH", location, { body, headers });
  }

  /** end-6 */
  function close(location: string, digest: string, init: RequestInit = {}): Promise<Response> {
    return send("PUT", `${location}?digest=${digest}`, init);
  }

  /** end-4b. @returns its digest */
  async function postBlob(name: string, content: Uint8Array<ArrayBuffer> | string): Promise<Digest> {
    const digest = sha256(content);
    const path = `/v2/${name}/blobs/uploads/?digest=${digest}`;
    await answered([201], send("POST", path, { body: content }), `POST ${path}`);
    return digest;
  }

  /** Uploads a blob with POST and PUT. @returns its digest */
  async function pushBlob(name: string, content: Uint8Array<ArrayBuffer> | string): Promise<Digest> {
    const digest = sha256(content);
    const location = await startUpload(name);
    await answered([201], close(location, digest, { body: content }), `PUT ${location}`);
    return digest;
  }

  /** end-7. Its Content-Type is the manifest's media type, unless `headers` say otherwise. */
  function putManifest(
    name: string,
    reference: string,
    manifest: unknown,
    headers: Headers = {},
  ): Promise<Response> {
    // Bytes: a text would bring its own Content-Type.
    const body = bytesOf(typeof manifest === "string" ? manifest : JSON.stringify(manifest));
    const mediaType = (manifest as { mediaType?: string }).mediaType;
    return send("PUT", `/v2/${name}/manifests/${reference}`, {
      body,
      headers: { ...(mediaType === undefined ? {} : { "Content-Type": mediaType }), ...headers },
    });
  }
}

function reading(send: Send) {
  return { pullBlob, hashBlob, headManifest, getManifest, getReferrers };

  /** end-2. A blob's bytes as text; "status 404" and the like when there is none. */
  async function pullBlob(name: string, digest: string): Promise<string> {
    const response = await send("GET", `/v2/${name}/blobs/${digest}`);
    return response.status === 200 ? textOf(response) : `status ${response.status}`;
  }

  /** end-2. @returns what the bytes hash to, and how many they are */
  async function hashBlob(name: string, digest: string): Promise<{ digest: string; size: number }> {
    const path = `/v2/${name}/blobs/${digest}`;
    const response = await answered([200], send("GET", path), `GET ${path}`);
    const hash = createHash("sha256");
    let size = 0;
    for await (const bytes of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      hash.update(bytes);
      size += bytes.byteLength;
    }
    return { digest: `sha256:${hash.digest("hex")}`, size };
  }

  /** end-3 */
  async function headManifest(name: string, reference: string): Promise<ManifestHead> {
    const { status, headers } = await send("HEAD", `/v2/${name}/manifests/${reference}`, ANY_MANIFEST);
    return {
      status,
      digest: headers.get("Docker-Content-Digest") ?? "",
      mediaType: headers.get("Content-Type") ?? "",
      length: Number(headers.get("Content-Length")),
    };
  }

  /** end-3. @returns its text. @throws unless that hashes to the digest that it is served under */
  async function getManifest(name: string, reference: string): Promise<string> {
    const path = `/v2/${name}/manifests/${reference}`;
    const response = await answered([200], send("GET", path, ANY_MANIFEST), `GET ${path}`);
    const text = await textOf(response);
    const digest = response.headers.get("Docker-Content-Digest");
    if (sha256(text) === digest) return text;
    throw new Error(`${name}:${reference} is served as ${digest}, but hashes to ${sha256(text)}`);
  }

  /** end-12 */
  async function getReferrers(name: string, digest: string, artifactType?: string): Promise<Descriptor[]> {
    const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
    const path = `/v2/${name}/referrers/${digest}${query}`;
    const response = await answered([200], send("GET", path), `GET ${path}`);
    return ((await response.json()) as { manifests: Descriptor[] }).manifests;
  }
}

const ANY_MANIFEST = { headers: { Accept: MANIFEST_MEDIA_TYPES.join(", ") } };

/**
 * Waits for an answer with one of these statuses.
 * @param what was asked for, to tell it
 * @throws with the body for any other status
 */
export async function answered(
  expected: number[],
  response: Promise<Response>,
  what: string,
): Promise<Response> {
  const { status } = await response;
  if (expected.includes(status)) return response;
  throw new Error(
    `${what} answered ${status}, not ${expected.join(" or ")}: ${await (await response).text()}`,
  );
}

/** The path of a `Location` header; it must be path-absolute. */
export function locationOf(response: Response): string {
  const location = response.headers.get("Location") ?? "";
  if (!location.startsWith("/v2/")) throw new Error(`Location is not path-absolute: ${location}`);
  return location;
}

/** The body as text, whatever its Content-Type. */
export async function textOf(response: Response): Promise<string> {
  return new TextDecoder().decode(await response.arrayBuffer());
}
