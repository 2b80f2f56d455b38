/** The client of test/support, logged in at any host: for what the real clients do not show. */

import { answered, type Client, clientOf, type ManifestHead } from "../../support/client.ts";
import { sizeOf } from "../../support/content.ts";
import type { Descriptor } from "../../support/manifests.ts";
import { send } from "./login.ts";

export type { ManifestHead } from "../../support/client.ts";
export { sha256 } from "../../support/content.ts";
export type { Descriptor } from "../../support/manifests.ts";

export interface Manifest {
  mediaType: string;
  config: Descriptor;
  layers: Descriptor[];
  manifests?: Descriptor[];
}

function at(host: string): Client {
  return clientOf((method, path, init) => send(`http://${host}${path}`, { ...init, method }));
}

/** end-3 */
export function headManifest(host: string, name: string, reference: string): Promise<ManifestHead> {
  return at(host).headManifest(name, reference);
}

/** end-3. @throws unless the bytes hash to the digest that they are served under */
export async function getManifest(host: string, name: string, reference: string): Promise<Manifest> {
  return JSON.parse(await at(host).getManifest(name, reference)) as Manifest;
}

/** end-2. @returns what the bytes hash to, and how many they are */
export function hashBlob(
  host: string,
  name: string,
  digest: string,
): Promise<{ digest: string; size: number }> {
  return at(host).hashBlob(name, digest);
}

/** end-4a. @returns the session's Location */
export function startUpload(host: string, name: string): Promise<string> {
  return at(host).startUpload(name);
}

/** end-13. @returns how many bytes the session has; a session of one byte cannot be told from an empty one */
export function uploadOffset(host: string, location: string): Promise<number> {
  return at(host).uploadOffset(location);
}

/** end-5. @throws unless it is accepted */
export function patchUpload(
  host: string,
  location: string,
  bytes: Uint8Array<ArrayBuffer>,
  offset: number,
): Promise<Response> {
  const headers = { "Content-Range": `${offset}-${offset + bytes.byteLength - 1}` };
  return answered([202], at(host).patch(location, bytes, headers), `PATCH ${location}`);
}

/** end-6. @throws unless it is accepted */
export function closeUpload(host: string, location: string, digest: string): Promise<Response> {
  return answered([201], at(host).close(location, digest), `PUT ${location}`);
}

/** end-4b */
export async function pushBlob(host: string, name: string, content: string): Promise<Descriptor> {
  const digest = await at(host).postBlob(name, content);
  return { mediaType: "application/octet-stream", digest, size: sizeOf(content) };
}

/** end-7. @throws unless it is accepted */
export function putManifest(
  host: string,
  name: string,
  reference: string,
  manifest: { mediaType: string },
): Promise<Response> {
  return answered([201], at(host).putManifest(name, reference, manifest), `PUT ${name}:${reference}`);
}

/** end-12 */
export function getReferrers(
  host: string,
  name: string,
  digest: string,
  artifactType?: string,
): Promise<Descriptor[]> {
  return at(host).getReferrers(name, digest, artifactType);
}
