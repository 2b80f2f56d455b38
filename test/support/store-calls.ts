/**
 * Calls of a store over HTTP, counted and breakable as those of the bucket's binding are, under the same names. Other
 * requests pass.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { bodyThroughFaults, throughFaults } from "./faults.ts";
import { countR2 } from "./meter.ts";

const original = globalThis.fetch;

const unseenNow = new AsyncLocalStorage<boolean>();

/** Whether calls are neither counted nor broken now. */
export function isUnseen(): boolean {
  return unseenNow.getStore() === true;
}

/** Runs what neither counts nor breaks. */
export function unseen<T>(work: () => Promise<T>): Promise<T> {
  return unseenNow.run(true, work);
}

/** From then on. @param storeUrl where the store is that a request is about to use; "" for the bucket's binding */
export function meterStoreCalls(storeUrl: () => string): void {
  globalThis.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    const store = storeUrl();
    if (isUnseen() || store === "" || !url.href.startsWith(store)) return original(input, init);
    const method = nameOf(init, url.searchParams);
    countR2(method);
    return breakable(method, url.pathname, init, () => original(input, init));
  };
}

/** One request of a store, and the body that it is answered with, either of which may break. @param method as R2's binding has it */
export async function breakable(
  method: string,
  target: string,
  init: RequestInit | undefined,
  run: () => Promise<Response>,
): Promise<Response> {
  const carriesBody = init?.body instanceof ReadableStream;
  const response = await throughFaults(`BUCKET.${method}`, run, { carriesBody, target });
  if (method !== "get" || !response.ok || response.body === null) return response;
  return new Response(bodyThroughFaults(response.body), response);
}

/** What R2's binding calls it. */
function nameOf({ method = "GET", headers }: RequestInit = {}, query: URLSearchParams): string {
  if (method === "HEAD") return "head";
  if (method === "GET") return query.has("list-type") || query.get("comp") === "list" ? "list" : "get";
  if (method === "PUT") {
    if (query.has("partNumber") || query.get("comp") === "block") return "uploadPart";
    if (query.get("comp") === "blocklist") return "complete";
    // Azure's blocks go when an empty blob takes their place.
    return new Headers(headers).has("if-none-match") ? "abort" : "put";
  }
  if (method === "DELETE") return query.has("uploadId") ? "abort" : "delete";
  if (query.has("uploads")) return "createMultipartUpload";
  return query.has("uploadId") ? "complete" : "delete";
}
