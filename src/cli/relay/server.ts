/** The relay's HTTP side: which requests are uploads, and what a client hears when one fails. */

import { createServer, type Server } from "node:http";
import { RegistryError } from "../../oci/errors.ts";
import { describe, Failure } from "../failure.ts";
import { ConnectionFailure } from "../http/exchange.ts";
import { UploadRefused } from "../upload/refusal.ts";
import { type Exchange, passOn, replyError } from "./answer.ts";
import { isOwnHost } from "./own-host.ts";
import { passThrough } from "./pass-through.ts";
import { type RelaySettings, readUpload, relayPatch, relayPost, relayPut } from "./relay-upload.ts";
import { ClientGone } from "./replay-buffer.ts";
import { type Upstream, upstreamUrl } from "./upstream.ts";

const UPLOADS = /^\/v2\/(.+)\/blobs\/uploads(?:\/([^/]*))?$/;

/** Longer than Go's clients keep idle connections, so that it is never the relay that closes one under them. */
const KEEP_ALIVE = 120_000;

export function createRelay(upstream: Upstream, settings: RelaySettings): Server {
  const server = createServer((request, response) => {
    const exchange = { request, response };
    relay(exchange, upstream, settings).catch((error: unknown) => {
      replyFailure(exchange, upstream, settings, error);
    });
  });
  // A layer may take hours.
  server.requestTimeout = 0;
  server.keepAliveTimeout = KEEP_ALIVE;
  return server;
}

async function relay(exchange: Exchange, upstream: Upstream, settings: RelaySettings): Promise<void> {
  const { method, url = "", headers, socket } = exchange.request;
  if (!isOwnHost(headers.host, socket, settings.name ?? null)) {
    // A page in a browser can make its own name mean this address (DNS rebinding), and send what it likes.
    return replyError(
      exchange,
      421,
      "DENIED",
      "this relay is not called that: use the address it listens on",
    );
  }
  // An absolute URL asks for a proxy, which this is not.
  if (!url.startsWith("/")) return replyError(exchange, 400, "UNSUPPORTED", "this is a registry, no proxy");
  const { pathname, searchParams } = new URL(`http://relay${url}`);
  if (pathname !== "/v2" && !pathname.startsWith("/v2/")) {
    return replyError(exchange, 404, "UNSUPPORTED", "only /v2 is relayed");
  }
  const [, name, id] = UPLOADS.exec(pathname) ?? [];
  const digest = searchParams.get("digest");
  const upload = () => readUpload(exchange, upstream, settings, name ?? "");

  if (name !== undefined && id && method === "PATCH") return relayPatch(upload());
  if (name !== undefined && id && method === "PUT" && digest !== null) return relayPut(upload(), digest);
  if (name !== undefined && !id && method === "POST" && digest !== null) return relayPost(upload(), digest);
  return passThrough(upstream, exchange);
}

function replyFailure(exchange: Exchange, upstream: Upstream, settings: RelaySettings, error: unknown): void {
  const { request, response } = exchange;
  // Upstream keeps what it got; there is nobody left to tell.
  if (error instanceof ClientGone || response.destroyed) return;
  if (!(error instanceof RegistryError)) {
    settings.log(`${request.method} ${request.url?.split("?", 1)[0]}: ${describe(error)}`);
  }
  if (error instanceof UploadRefused) {
    passOn(exchange, error.answer, upstreamUrl(upstream, request.url ?? "/"));
  } else if (error instanceof RegistryError) {
    replyError(exchange, error.status, error.entries[0]?.code ?? "UNSUPPORTED", error.message);
  } else {
    // A bug is 500, what lies upstream 502. UNAVAILABLE is Docker's code for both.
    const status = error instanceof ConnectionFailure || error instanceof Failure ? 502 : 500;
    replyError(exchange, status, "UNAVAILABLE", `berth relay: ${describe(error)}`);
  }
}
