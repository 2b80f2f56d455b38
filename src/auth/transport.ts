/** How a request has to arrive, before anything in it is believed: over TLS, and not sent by somebody's page. */

import { RegistryError } from "../oci/errors.ts";

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/** The names and addresses of this machine, as they stand in a URL. */
const LOOPBACK = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** Nothing here is for a browser to show or to run. */
const CLOSED = {
  "X-Content-Type-Options": "nosniff",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
};

/** A year, in seconds. */
const ONLY_TLS = { "Strict-Transport-Security": "max-age=31536000" };

/** Headers for the answer to a request of this URL. */
export function closedToBrowsers(url: URL): Record<string, string> {
  // On this machine the name belongs to other programs too.
  return url.protocol === "https:" && !isLoopback(url.hostname) ? { ...CLOSED, ...ONLY_TLS } : CLOSED;
}

/** Whether a URL's host is this machine. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname);
}

/**
 * Refuses plain HTTP from another machine: whoever listens on the way has the credentials then. What the client
 * says of itself (`X-Forwarded-Proto`) is not believed on Cloudflare; under `npm start`, which only this machine can
 * reach, the URL has it already.
 * @throws RegistryError DENIED
 */
export function requireTls(url: URL, allowHttp: boolean): void {
  if (url.protocol === "https:" || allowHttp || isLoopback(url.hostname)) return;
  throw new RegistryError(
    "DENIED",
    "this registry speaks only https: passwords would be readable on the way. Change yours if you have sent it",
  );
}

/**
 * Refuses what a page of another site makes a browser send. No registry client says where it comes from.
 * @throws RegistryError DENIED
 */
export function refuseOtherSites(method: string, url: URL, headers: Headers): void {
  if (SAFE_METHODS.includes(method)) return;
  const origin = headers.get("Origin");
  const foreign = origin !== null && !isOwnOrigin(origin, url);
  if (!foreign && headers.get("Sec-Fetch-Site") !== "cross-site") return;
  throw new RegistryError("DENIED", "pages of other sites may not change anything here");
}

/** Whether an `Origin` is that of a page of ours. TLS may end before this registry: the host decides. */
export function isOwnOrigin(origin: string, url: URL): boolean {
  return URL.canParse(origin) && new URL(origin).host === url.host;
}
