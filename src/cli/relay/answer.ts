/** The relay's answers: upstream's own, passed on, or an error of its own in the registry's form. */

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Answer } from "../http/exchange.ts";
import { answerHeaders } from "./headers.ts";

/** How long a client may go on sending after an early answer, so that it reads it. Milliseconds. */
const LINGER = 5000;

export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
}

/** Passes on an answer that was read whole. */
export function passOn(exchange: Exchange, answer: Answer, requested: URL): void {
  const headers = answerHeaders(answer.rawHeaders, requested);
  reply(exchange, answer.status, headers, answer.body);
}

/** @param code one of the specification's, or UNAVAILABLE as Docker's registry has it for 5xx */
export function replyError(exchange: Exchange, status: number, code: string, message: string): void {
  const body = Buffer.from(`${JSON.stringify({ errors: [{ code, message }] })}\n`);
  reply(exchange, status, { "content-type": "application/json", "content-length": body.length }, body);
}

export function reply(
  { request, response }: Exchange,
  status: number,
  headers: OutgoingHttpHeaders,
  body: Buffer = Buffer.alloc(0),
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const early = !request.complete;
  if (early) response.shouldKeepAlive = false;
  response.writeHead(status, headers);
  response.end(body);
  if (early) linger(request);
}

/** Reads on for a while: closing a connection with unread bytes would tear the answer from the client's hands. */
function linger(request: IncomingMessage): void {
  request.on("error", () => {});
  request.removeAllListeners("data");
  request.resume();
  const timer = setTimeout(() => request.destroy(), LINGER);
  request.once("close", () => clearTimeout(timer));
}
