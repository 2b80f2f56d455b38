/** Bodies that are held in memory, and therefore have a limit. */

import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import type { RegistryError } from "../oci/errors.ts";
import type { RegistryEnv } from "./context.ts";
import { drain } from "./drained.ts";

/**
 * Hono's bodyLimit, which keeps a body of unknown length to itself when it is too large: here the rest is read for
 * nothing, as that of every refused body.
 * @param maxSize bytes
 * @param refusal what a larger body is answered with
 */
export function limitedBody(maxSize: number, refusal: () => RegistryError) {
  return createMiddleware<RegistryEnv>((c, next) => {
    const { body } = c.req.raw;
    if (body === null || c.req.header("Content-Length") !== undefined) {
      const onError = () => {
        throw refusal();
      };
      return bodyLimit({ maxSize, onError })(c, next);
    }
    const reader = body.getReader();
    c.req.raw = new Request(c.req.raw, { body: streamOf(reader) });
    const onError = async () => {
      reader.releaseLock();
      await drain(body);
      throw refusal();
    };
    return bodyLimit({ maxSize, onError })(c, next);
  });
}

/** What a reader reads, and nothing ahead of its own reader. */
function streamOf(reader: ReadableStreamDefaultReader<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    },
    { highWaterMark: 0 },
  );
}
