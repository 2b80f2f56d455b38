/** A registry client in the specification's verbs, for what the real clients do not show. */

import { createHash } from "node:crypto";
import { send } from "./login.ts";

export interface ManifestHead {
  status: number;
  digest: string;
  mediaType: string;
  length: number;
}

const ANY_MANIFEST = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  artifactType?: string;
  annotations?: Record<string, string>;
  platform?: { architecture: string; os: string };
}

export interface Manifest {
  mediaType: string;
  config: Descriptor;
  layers: Descriptor[];
  manifests?: Descriptor[];
}

export function sha256(content: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

/** end-3 */
export async function headManifest(host: string, name: string, reference: string): Promise<ManifestHead> {
  const { status, headers } = await send(`http://${host}/v2/${name}/manifests/${reference}`, {
    method: "HEAD",
    headers: { Accept: ANY_MANIFEST },
  });
  return {
    status,
    digest: headers.get("Docker-Content-Digest") ?? "",
    mediaType: headers.get("Content-Type") ?? "",
    length: Number(headers.get("Content-Length")),
  };
}

/** end-3. @throws unless the bytes hash to the digest that they are served under */
export async function getManifest(host: string, name: string, reference: string): Promise<Manifest> {
  const response = await expectStatus(200, `http://${host}/v2/${name}/manifests/${reference}`, {
    headers: { Accept: ANY_MANIFEST },
  });
  const text = await response.text();
  const digest = response.headers.get("Docker-Content-Digest");
  if (sha256(text) !== digest)
    throw new Error(`${name}:${reference} is served as ${digest}, but hashes to ${sha256(text)}`);
  return JSON.parse(text) as Manifest;
}

/** end-2. @returns what the bytes hash to, and how many they are */
export async function hashBlob(
  host: string,
  name: string,
  digest: string,
): Promise<{ digest: string; size: number }> {
  const response = await expectStatus(200, `http://${host}/v2/${name}/blobs/${digest}`);
  const hash = createHash("sha256");
  let size = 0;
  for await (const bytes of response.body ?? []) {
    hash.update(bytes);
    size += bytes.byteLength;
  }
  return { digest: `sha256:${hash.digest("hex")}`, size };
}

/** end-4a. @returns the session's Location */
export async function startUpload(host: string, name: string): Promise<string> {
  const response = await expectStatus(202, `http://${host}/v2/${name}/blobs/uploads/`, { method: "POST" });
  return response.headers.get("Location") ?? "";
}

/** end-13. @returns how many bytes the session has; a session of one byte cannot be told from an empty one */
export async function uploadOffset(host: string, location: string): Promise<number> {
  const { headers } = await expectStatus(204, `http://${host}${location}`);
  const last = Number(/^0-(\d+)$/.exec(headers.get("Range") ?? "")?.[1]);
  return last === 0 ? 0 : last + 1;
}

/** end-5 */
export async function patchUpload(
  host: string,
  location: string,
  bytes: Uint8Array<ArrayBuffer>,
  offset: number,
): Promise<Response> {
  return expectStatus(202, `http://${host}${location}`, {
    method: "PATCH",
    body: bytes,
    headers: { "Content-Range": `${offset}-${offset + bytes.byteLength - 1}` },
  });
}

/** end-6 */
export async function closeUpload(host: string, location: string, digest: string): Promise<Response> {
  return expectStatus(201, `http://${host}${location}?digest=${digest}`, { method: "PUT" });
}

/** end-4b */
export async function pushBlob(host: string, name: string, content: string): Promise<Descriptor> {
  const digest = sha256(content);
  await expectStatus(201, `http://${host}/v2/${name}/blobs/uploads/?digest=${digest}`, {
    method: "POST",
    body: content,
  });
  return { mediaType: "application/octet-stream", digest, size: Buffer.byteLength(content) };
}

/** end-7 */
export async function putManifest(
  host: string,
  name: string,
  reference: string,
  manifest: { mediaType: string },
): Promise<Response> {
  return expectStatus(201, `http://${host}/v2/${name}/manifests/${reference}`, {
    method: "PUT",
    body: JSON.stringify(manifest),
    headers: { "Content-Type": manifest.mediaType },
  });
}

/** end-12 */
export async function getReferrers(
  host: string,
  name: string,
  digest: string,
  artifactType?: string,
): Promise<Descriptor[]> {
  const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  const response = await expectStatus(200, `http://${host}/v2/${name}/referrers/${digest}${query}`);
  return ((await response.json()) as { manifests: Descriptor[] }).manifests;
}

async function expectStatus(status: number, url: string, init: RequestInit = {}): Promise<Response> {
  const response = await send(url, init);
  if (response.status === status) return response;
  const body = await response.text();
  throw new Error(`${init.method ?? "GET"} ${url} answered ${response.status}, not ${status}: ${body}`);
}
