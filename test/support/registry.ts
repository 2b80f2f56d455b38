/** A client in the specification's verbs, against the Worker. Every answer is the raw Response. */

import { exports } from "cloudflare:workers";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { basic } from "./users.ts";

const ORIGIN = "https://registry.test";

/** As the administrator, unless `init` has an Authorization header: an empty one is none. */
export function request(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (!headers.has("Authorization")) headers.set("Authorization", basic("admin"));
  if (headers.get("Authorization") === "") headers.delete("Authorization");
  return exports.default.fetch(
    new Request(`${ORIGIN}${path}`, { method, redirect: "manual", ...init, headers }),
  );
}

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new TextEncoder().encode(text));
}

export function sha256(content: Uint8Array | string): Digest {
  return digestOf(typeof content === "string" ? bytesOf(content) : content, "sha256");
}

export function sha512(content: Uint8Array | string): Digest {
  return digestOf(typeof content === "string" ? bytesOf(content) : content, "sha512");
}

/** Bytes that do not repeat with any part size, and the same every time. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed >>> 0 || 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** The path of a `Location` header; it must be path-absolute. */
export function locationOf(response: Response): string {
  const location = response.headers.get("Location") ?? "";
  if (!location.startsWith("/v2/")) throw new Error(`Location is not path-absolute: ${location}`);
  return location;
}

/** end-4a. @returns the session's Location */
export async function startUpload(name: string, query = ""): Promise<string> {
  const response = await request("POST", `/v2/${name}/blobs/uploads/${query}`);
  if (response.status !== 202) throw new Error(`POST answered ${response.status}: ${await response.text()}`);
  return locationOf(response);
}

/** end-5 */
export function patch(location: string, body: BodyInit | null, headers: HeadersInit = {}): Promise<Response> {
  return request("PATCH", location, { body, headers });
}

/** end-6 */
export function close(location: string, digest: string, init: RequestInit = {}): Promise<Response> {
  return request("PUT", `${location}?digest=${digest}`, init);
}

/** Uploads a blob with POST and PUT. @returns its digest */
export async function pushBlob(name: string, content: Uint8Array<ArrayBuffer> | string): Promise<Digest> {
  const digest = sha256(content);
  const response = await close(await startUpload(name), digest, { body: content });
  if (response.status !== 201) throw new Error(`PUT answered ${response.status}: ${await response.text()}`);
  return digest;
}

/** end-7 */
export function putManifest(
  name: string,
  reference: string,
  manifest: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  // Bytes: a text would bring its own Content-Type.
  const body = bytesOf(typeof manifest === "string" ? manifest : JSON.stringify(manifest));
  const mediaType = (manifest as { mediaType?: string }).mediaType;
  return request("PUT", `/v2/${name}/manifests/${reference}`, {
    body,
    headers: { ...(mediaType === undefined ? {} : { "Content-Type": mediaType }), ...headers },
  });
}

/** A body of unknown length, in the given pieces; it breaks off behind them when told to. */
export function streamOf(pieces: Uint8Array[], end: "ends" | "breaks" = "ends"): ReadableStream<Uint8Array> {
  const rest = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const piece = rest.shift();
      if (piece !== undefined) controller.enqueue(piece);
      else if (end === "ends") controller.close();
      else controller.error(new Error("the client hung up"));
    },
  });
}

/** The error codes of a 4XX body. */
export async function codesOf(response: Response): Promise<string[]> {
  const { errors } = (await response.json()) as { errors: { code: string; message: string }[] };
  for (const { message } of errors) if (!message) throw new Error("an error without a message");
  return errors.map(({ code }) => code);
}

/** A blob's bytes as text; "status 404" and the like when there is none. */
export async function pullBlob(name: string, digest: string): Promise<string> {
  const response = await request("GET", `/v2/${name}/blobs/${digest}`);
  return response.status === 200 ? textOf(response) : `status ${response.status}`;
}

/** The body as text, whatever its Content-Type. */
export async function textOf(response: Response): Promise<string> {
  return new TextDecoder().decode(await response.arrayBuffer());
}
