/** Bodies that nobody has read. */

import { createMiddleware } from "hono/factory";
import type { RegistryEnv } from "./context.ts";

/** Silence after which the client is taken for gone. Milliseconds. */
const SILENCE = 30_000;

/** Read at once, and forgotten. Bytes. */
const PIECE = 64 * 1024;

/**
 * Reads for nothing what a request's handler left of its body, as it does when it refuses: a client that is still
 * sending when the answer comes sees a broken connection instead, and never learns what was wrong.
 */
export const drained = createMiddleware<RegistryEnv>(async (c, next) => {
  // Not what a handler may put in its place.
  const request = c.req.raw;
  await next();
  // A body that was handed on, to a Durable Object or to R2, is read by that.
  if (request.body !== null && !request.bodyUsed && !request.body.locked) await drain(request.body);
});

/** Returns early when the client has gone, or is silent for half a minute. */
export async function drain(body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(PIECE);
  try {
    for (;;) {
      const silence = setTimeout(() => reader.cancel("silent for too long").catch(() => {}), SILENCE);
      const { done, value } = await reader.read(new Uint8Array(buffer)).finally(() => clearTimeout(silence));
      if (done) return;
      buffer = value.buffer as ArrayBuffer;
    }
  } catch {
    // Nobody is there any more to be answered.
  }
}
