/** Calls of the folder that stands in for a bucket, counted and breakable under the names that R2's binding has for them. */

import { countR2 } from "./meter.ts";
import { breakable, isUnseen } from "./store-calls.ts";

export function meteredDisk(disk: Fetcher): Fetcher {
  return {
    ...disk,
    fetch: async (input: RequestInfo | URL, init?: RequestInit) => {
      if (isUnseen()) return disk.fetch(input, init);
      const { pathname } = new URL(input instanceof Request ? input.url : String(input));
      const method = nameOf(init?.method ?? "GET", pathname);
      const response = await breakable(method, pathname, init, () => disk.fetch(input, init));
      // What is looked for in two places costs a bucket one call.
      if (method !== "aside" && response.status !== 404) countR2(method);
      return response;
    },
  } as Fetcher;
}

function nameOf(method: string, path: string): string {
  const ofUpload = path.startsWith("/parts/");
  const isBeginning = path.endsWith("/begun");
  if (method === "HEAD" && ofUpload) return "aside";
  if (method === "HEAD") return "head";
  if (method === "GET" && path.endsWith(".parts")) return "aside";
  if (method === "GET") return path.endsWith("/") ? "list" : "get";
  if (method === "DELETE") return isBeginning ? "aside" : ofUpload ? "abort" : "delete";
  if (isBeginning) return "createMultipartUpload";
  if (ofUpload) return "uploadPart";
  return path.endsWith(".parts") ? "complete" : "put";
}
