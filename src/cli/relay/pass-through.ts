/** Every request that is not an upload's body: passed on as it is, and its answer streamed back. */

import type { IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";
import { ConnectionFailure, open, type Request } from "../http/exchange.ts";
import { isGatewayFault, Patience, QUICK_PAUSES, UPLOAD_PAUSES } from "../http/retry.ts";
import { chunkLimitsOf } from "../upload/session.ts";
import { type Exchange, replyError } from "./answer.ts";
import { answerHeaders, requestHeaders } from "./headers.ts";
import { type Upstream, upstreamUrl } from "./upstream.ts";

/** The largest body that is passed on as it is: a manifest has 4 MiB at most. Bytes. */
const MAX_BODY = 8 * 1024 * 1024;

export async function passThrough(upstream: Upstream, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  const body = await readBody(request);
  if (body === null) return replyError(exchange, 413, "SIZE_INVALID", "no manifest is this large");
  const url = upstreamUrl(upstream, request.url ?? "/");
  const method = request.method ?? "GET";
  const headers = requestHeaders(request.rawHeaders);
  if (body.length > 0 || method === "POST" || method === "PUT") headers["content-length"] = body.length;

  const message = await openPatiently(upstream, {
    method,
    url,
    headers,
    ...(body.length > 0 && { body: () => [body] }),
  });
  rememberLimits(upstream, method, message);
  response.writeHead(message.statusCode ?? 502, answerHeaders(message.rawHeaders, url));
  response.flushHeaders();
  // A client that hangs up ends the pull; upstream is told by the closed connection.
  await pipeline(message, response).catch(() => message.destroy());
}

/** Opens a request, again while a gateway stands in for a registry that is away. @throws ConnectionFailure */
async function openPatiently(upstream: Upstream, request: Request): Promise<IncomingMessage> {
  const reads = request.method === "GET" || request.method === "HEAD";
  const patience = new Patience(reads ? QUICK_PAUSES : UPLOAD_PAUSES);
  for (;;) {
    try {
      const message = await open(upstream.agents, request);
      const fault = isGatewayFault(message.statusCode ?? 0);
      if (!fault || !(await patience.wait(`upstream answered ${message.statusCode}`))) return message;
      message.destroy();
    } catch (error) {
      if (!(error instanceof ConnectionFailure) || !(await patience.wait(error.message))) throw error;
    }
  }
}

/** @returns null when it is too large */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request) {
    length += piece.length;
    if (length > MAX_BODY) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** A registry says how large it wants its chunks when an upload begins. */
function rememberLimits(upstream: Upstream, method: string, { statusCode, headers }: IncomingMessage): void {
  if (method === "POST" && statusCode === 202) upstream.limits = chunkLimitsOf({ headers });
}
