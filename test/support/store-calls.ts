/**
 * Calls of a store over HTTP, counted and breakable as those of the bucket's binding are, under the same names. Other
 * requests pass.
 */

import { bodyThroughFaults, throughFaults } from "./faults.ts";
import { countR2 } from "./meter.ts";
import { withVariables } from "./settings.ts";

const original = globalThis.fetch;

/** From then on. */
export function meterStoreCalls(env: Env): void {
  globalThis.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    const { STORE_URL } = withVariables(env);
    if (STORE_URL === "" || !url.href.startsWith(STORE_URL)) return original(input, init);
    const method = nameOf(init?.method ?? "GET", url.searchParams);
    countR2(method);
    const carriesBody = init?.body instanceof ReadableStream;
    const run = () => original(input, init);
    const response = await throughFaults(`BUCKET.${method}`, run, { carriesBody });
    if (method !== "get" || !response.ok || response.body === null) return response;
    return new Response(bodyThroughFaults(response.body), response);
  };
}

/** What R2's binding calls it. */
function nameOf(method: string, query: URLSearchParams): string {
  if (method === "HEAD") return "head";
  if (method === "PUT") return query.has("partNumber") ? "uploadPart" : "put";
  if (method === "GET") return query.has("list-type") ? "list" : "get";
  if (method === "DELETE") return query.has("uploadId") ? "abort" : "delete";
  if (query.has("uploads")) return "createMultipartUpload";
  return query.has("uploadId") ? "complete" : "delete";
}
