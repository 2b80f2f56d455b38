/** The Worker under test, as a client sees it. Every answer is the raw Response. */

import { exports } from "cloudflare:workers";
import { clientOf, locationOf, textOf } from "./client.ts";
import { bytesOf, noise, sha256, sha512, streamOf } from "./content.ts";
import { basic } from "./users.ts";

// What nearly every test of the Worker needs, from one place.
export { bytesOf, locationOf, noise, sha256, sha512, streamOf, textOf };

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

export const { startUpload, patch, close, pushBlob, putManifest, pullBlob } = clientOf(request);

/** The error codes of a 4XX body. */
export async function codesOf(response: Response): Promise<string[]> {
  const { errors } = (await response.json()) as { errors: { code: string; message: string }[] };
  for (const { message } of errors) if (!message) throw new Error("an error without a message");
  return errors.map(({ code }) => code);
}
