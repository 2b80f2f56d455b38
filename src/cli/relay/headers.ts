/** Headers on their way through the relay: all of them, but those that belong to one connection. */

import type { OutgoingHttpHeaders } from "node:http";
import { locationOf } from "../upload/session.ts";

/** RFC 9110, section 7.6.1, and what Node sets itself. */
const HOP_BY_HOP = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A request's headers for upstream. Its body's length and the host are upstream's business. */
export function requestHeaders(rawHeaders: readonly string[]): OutgoingHttpHeaders {
  const headers = collect(rawHeaders);
  delete headers.host;
  delete headers["content-length"];
  return headers;
}

/** What of a client's request goes with every request of its upload. */
export function uploadHeaders(rawHeaders: readonly string[]): OutgoingHttpHeaders {
  const headers = requestHeaders(rawHeaders);
  for (const name of Object.keys(headers)) {
    if (name.startsWith("content-") || name === "digest") delete headers[name];
  }
  return headers;
}

/** An answer's headers for the client, whose Location keeps it talking to the relay. */
export function answerHeaders(rawHeaders: readonly string[], requested: URL): OutgoingHttpHeaders {
  const headers = collect(rawHeaders);
  if (typeof headers.location === "string") {
    headers.location = relayedLocation(headers.location, requested);
  }
  return headers;
}

/** Path and query when upstream means itself; a redirect to elsewhere, such as storage, is kept as it is. */
function relayedLocation(location: string, requested: URL): string {
  const url = locationOf({ headers: { location } }, requested);
  return url?.origin === requested.origin ? url.pathname + url.search : location;
}

function collect(rawHeaders: readonly string[]): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = {};
  const dropped = namedByConnection(rawHeaders);
  for (const [name, value] of pairs(rawHeaders)) {
    if (HOP_BY_HOP.has(name) || dropped.has(name)) continue;
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return headers;
}

function namedByConnection(rawHeaders: readonly string[]): Set<string> {
  const values = [...pairs(rawHeaders)].filter(([name]) => name === "connection").map(([, value]) => value);
  return new Set(values.flatMap((value) => value.split(",")).map((name) => name.trim().toLowerCase()));
}

function* pairs(rawHeaders: readonly string[]): Generator<[name: string, value: string]> {
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    yield [(rawHeaders[index] ?? "").toLowerCase(), rawHeaders[index + 1] ?? ""];
  }
}
