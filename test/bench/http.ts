/** Requests as fast as Node can make them, so that the client is not what is measured. */

import { randomFillSync } from "node:crypto";
import http, { type IncomingMessage } from "node:http";
import { MANIFEST_MEDIA_TYPES } from "../../src/oci/media-types.ts";
import { AUTHORIZATION } from "../e2e/support/login.ts";
import { sha256 } from "../support/content.ts";

export const MIB = 1024 * 1024;

/** registry:2 has a manifest only for those who say that they take it. */
const ACCEPT = [...MANIFEST_MEDIA_TYPES, "*/*"].join(", ");

/** What is written at once. Bytes. */
const PIECE = 256 * 1024;

const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });

export interface Sent {
  method?: string;
  headers?: Record<string, string>;
  body?: Uint8Array | undefined;
  /** Whether the body goes without a length. */
  chunked?: boolean;
  /** Statuses that will do. */
  expect?: number[];
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** Bytes of the body. */
  length: number;
}

/** Sends, and reads the answer to its end. @throws when it has another status */
export async function send(host: string, path: string, sent: Sent = {}): Promise<Answer> {
  const { method = "GET", body, chunked = false, expect = [200, 201, 202, 206] } = sent;
  const headers: Record<string, string> = { Authorization: AUTHORIZATION, Accept: ACCEPT, ...sent.headers };
  if (body !== undefined && !chunked) headers["Content-Length"] = String(body.byteLength);
  else if (method !== "GET" && method !== "HEAD" && !chunked) headers["Content-Length"] = "0";
  const [hostname, port] = host.split(":");
  const options = { hostname, port, path, method, headers };
  const response = await open(options, body ?? new Uint8Array(0));
  let length = 0;
  for await (const bytes of response) length += (bytes as Buffer).byteLength;
  const status = response.statusCode ?? 0;
  if (!expect.includes(status)) throw new Error(`${method} http://${host}${path} answered ${status}`);
  return { status, headers: response.headers, length };
}

/** A connection that lay idle may end just when it is used again: then another one is tried. */
function open(options: http.RequestOptions, body: Uint8Array): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // What is long is not sent twice.
    const request = http.request({ ...options, agent: body.byteLength > PIECE ? false : agent }, resolve);
    request.once("error", (error) => {
      if (request.reusedSocket) open(options, body).then(resolve, reject);
      else reject(error);
    });
    write(request, body).catch(reject);
  });
}

async function write(request: http.ClientRequest, body: Uint8Array): Promise<void> {
  for (let start = 0; start < body.byteLength; start += PIECE) {
    const flowing = request.write(body.subarray(start, start + PIECE));
    if (!flowing) await new Promise((drained) => request.once("drain", drained));
  }
  request.end();
}

/** Begins an upload. @returns where it goes on: path and query */
export async function startUpload(host: string, name: string): Promise<string> {
  const { headers } = await send(host, `/v2/${name}/blobs/uploads/`, { method: "POST" });
  return locationIn(headers);
}

/** Path and query. */
export function locationIn(headers: http.IncomingHttpHeaders): string {
  const url = new URL(headers.location ?? "", "http://registry");
  return url.pathname + url.search;
}

/** The location that closes an upload. */
export function closingOf(location: string, digest: string): string {
  return `${location}${location.includes("?") ? "&" : "?"}digest=${digest}`;
}

/** Pushes a blob: in one PUT of known length, or as docker does, in one PATCH of unknown length. */
export async function pushBlob(host: string, name: string, blob: Blob, chunked = false): Promise<void> {
  const { bytes, digest } = blob;
  let location = await startUpload(host, name);
  if (chunked) {
    location = locationIn((await send(host, location, { method: "PATCH", body: bytes, chunked })).headers);
  }
  const body = chunked ? undefined : bytes;
  const headers = { "Content-Type": "application/octet-stream" };
  await send(host, closingOf(location, digest), { method: "PUT", body, headers });
}

export interface Blob {
  bytes: Uint8Array<ArrayBuffer>;
  digest: string;
}

/** Bytes that nobody has seen before. */
export function newBlob(size: number): Blob {
  const bytes = randomFillSync(new Uint8Array(size));
  return { bytes, digest: sha256(bytes) };
}

/** Does it so many times, `atOnce` at once. */
export async function repeat(
  times: number,
  atOnce: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < times) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
