/** Where a registry sends on to: blobs often lie in a bucket, or at a content delivery network. */

import type { IncomingMessage } from "node:http";
import { Failure } from "../failure.ts";

/** @returns null for anything but a redirection that can be followed */
export function redirectionOf({ statusCode = 0, headers }: IncomingMessage, from: URL): URL | null {
  if (![301, 302, 303, 307, 308].includes(statusCode)) return null;
  const { location } = headers;
  return location !== undefined && URL.canParse(location, from.href) ? new URL(location, from) : null;
}

/** What came over TLS must not go on in the clear. @throws Failure */
export function assertNoDowngrade(from: URL, to: URL): void {
  if (to.protocol === "https:" || (to.protocol === "http:" && from.protocol === "http:")) return;
  throw new Failure(`${from.host} sends on to ${to.origin}, which is not encrypted: not followed.`);
}
