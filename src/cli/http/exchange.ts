/** One HTTP exchange, with what uploads need: pace taken from the other side, early answers heard, no silent waits. */

import http, { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import https from "node:https";
import { describe } from "../failure.ts";
import type { Agents } from "./agents.ts";
import { tlsFailure } from "./tls-failure.ts";

/** How long the other side may take no byte. Milliseconds. */
const WRITE_TIMEOUT = 60_000;

/** How long it may think after the last byte: closing a large blob can take a registry minutes. Milliseconds. */
const ANSWER_TIMEOUT = 300_000;

/** How long it may say nothing in the middle of an answer that is read whole. Milliseconds. */
const READ_TIMEOUT = 60_000;

/** How much of an answer that is read whole is kept. Bytes. */
const MAX_ANSWER = 8 * 1024 * 1024;

export interface Request {
  method: string;
  url: URL;
  headers?: OutgoingHttpHeaders;
  /** Called once a try. An error that it throws ends the exchange and comes out as it is. */
  body?: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** A response that was read to its end. */
export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** Names and values by turns, as they came. */
  rawHeaders: string[];
  body: Buffer;
}

/** The way to the registry failed: nothing is known of what became of the request. */
export class ConnectionFailure extends Error {
  constructor(url: URL, cause: unknown) {
    super(`${url.host}: ${describe(cause)}`, { cause });
    this.name = "ConnectionFailure";
  }
}

/**
 * Sends a request and waits for the response's head.
 * @returns the response; its body is the caller's to read or destroy
 * @throws ConnectionFailure, or Failure for a certificate that is not trusted
 */
export async function open(agents: Agents, request: Request): Promise<IncomingMessage> {
  return (await converse(agents, request)).message;
}

async function converse(
  agents: Agents,
  request: Request,
): Promise<{ message: IncomingMessage; outgoing: ClientRequest }> {
  const outgoing = start(agents, request);
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.on("error", (error) => {
      reject(tlsFailure(request.url, error) ?? new ConnectionFailure(request.url, error));
    });
  });
  // Whoever waits for it hears of it; when a body's own error comes first, nobody does.
  answered.catch(() => {});
  try {
    // After an early answer the body stays unfinished: ending it would pass the rest off as complete.
    if (request.body === undefined || (await write(outgoing, request.url, request.body(), answered)))
      outgoing.end();
    return { message: await within(ANSWER_TIMEOUT, request.url, answered), outgoing };
  } catch (error) {
    outgoing.destroy();
    throw error;
  }
}

/** Sends a request and reads its whole, small answer. @throws as {@link open} does */
export async function ask(agents: Agents, request: Request): Promise<Answer> {
  const { message, outgoing } = await converse(agents, request);
  const body = await readWhole(message, request.url);
  // After an early answer, half a body stands in this connection's way.
  if (!outgoing.writableFinished) message.destroy();
  const { statusCode = 0, headers, rawHeaders } = message;
  return { status: statusCode, headers, rawHeaders, body };
}

/** @throws ConnectionFailure when it breaks off, stalls or never ends */
async function readWhole(message: IncomingMessage, url: URL): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  const stalled = setTimeout(() => message.destroy(silence(READ_TIMEOUT)), READ_TIMEOUT);
  try {
    for await (const piece of message) {
      stalled.refresh();
      length += piece.length;
      if (length > MAX_ANSWER) throw new Error("the answer is too long");
      pieces.push(piece);
    }
  } catch (error) {
    throw new ConnectionFailure(url, error);
  } finally {
    clearTimeout(stalled);
  }
  return Buffer.concat(pieces);
}

function start(agents: Agents, { url, method, headers = {} }: Request): ClientRequest {
  if (url.protocol === "https:") return https.request(url, { method, headers, agent: agents["https:"] });
  return http.request(url, { method, headers, agent: agents["http:"] });
}

/** @returns false when the other side answered before it had the whole body */
async function write(
  outgoing: ClientRequest,
  url: URL,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  answered: Promise<unknown>,
): Promise<boolean> {
  let early = false;
  answered.then(
    () => (early = true),
    () => (early = true),
  );
  for await (const piece of body) {
    if (early) return false;
    if (outgoing.write(piece)) continue;
    const drained = new Promise((resolve) => outgoing.once("drain", resolve));
    await within(WRITE_TIMEOUT, url, Promise.race([drained, answered]));
  }
  return !early;
}

/** @throws ConnectionFailure when `promise` takes longer than `timeout` milliseconds */
async function within<T>(timeout: number, url: URL, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new ConnectionFailure(url, silence(timeout)));
    }, timeout);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** @param timeout milliseconds */
function silence(timeout: number): Error {
  return new Error(`nothing happened for ${timeout / 1000} s`);
}
