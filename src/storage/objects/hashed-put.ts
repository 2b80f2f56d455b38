/**
 * A put of a body to a store that does not verify it: the hash runs along, and the last bytes are held back until it
 * is right. A body that is cut short never becomes an object.
 */

import { createHash } from "node:crypto";
import { log } from "../../log.ts";
import { algorithmOf, type Digest, digestOf, snapshot } from "../../oci/digest.ts";
import type { Source } from "./objects.ts";
import { isPassing, Refusal, unavailableFor } from "./service.ts";

const BUFFER = 256 * 1024;

class Mismatch extends Error {
  override name = "Mismatch";
}

/**
 * @param send puts what it is given, which says its length
 * @returns as Objects.putVerified @throws Unavailable when the store refuses the registry
 */
export async function putHashed(
  key: string,
  body: Source,
  length: number,
  digest: Digest,
  send: (body: ReadableStream) => Promise<unknown>,
): Promise<"stored" | "mismatch" | "interrupted"> {
  // There would be no last bytes to hold back.
  if (length === 0 && digestOf(new Uint8Array(0), algorithmOf(digest)) !== digest) return "mismatch";
  const { readable, writable } = new FixedLengthStream(length);
  const arriving = new IdentityTransformStream();
  const over = new AbortController();
  let broke = false;
  const onBreak = () => {
    // What breaks when all is over breaks by that.
    broke ||= !over.signal.aborted;
  };
  const giveUp = (error: unknown) => {
    over.abort(error);
    throw error;
  };
  const [, hashed, stored] = await Promise.allSettled([
    // The rest of a refused body is the caller's to read: a client that still sends would not hear the answer.
    body.pipeTo(arriving.writable, { signal: over.signal, preventCancel: true }),
    hashThrough(arriving.readable, writable, { length, digest, over: over.signal, onBreak }).catch(giveUp),
    // The store may refuse before it has read everything: then nobody would read the rest.
    send(readable).catch(giveUp),
  ]);
  if (hashed.status === "rejected" && hashed.reason instanceof Mismatch) return "mismatch";
  if (stored.status === "fulfilled") return hashed.status === "fulfilled" ? "stored" : "interrupted";
  const error: unknown = stored.reason;
  const answered = error instanceof Refusal;
  if (answered && !isPassing(error)) throw unavailableFor(error);
  // A client that hangs up is daily business; a store that fails is not.
  if (answered || !broke) log("object-not-put", { key, error }, "warn");
  // The body has been read, so only the client can try again.
  return "interrupted";
}

interface Passage {
  /** Bytes. */
  length: number;
  digest: Digest;
  over: AbortSignal;
  /** Called when the body breaks off. */
  onBreak(): void;
}

/** @throws Mismatch before the last bytes have left */
async function hashThrough(
  from: ReadableStream,
  to: WritableStream<Uint8Array>,
  { length, digest, over, onBreak }: Passage,
): Promise<void> {
  const reader = from.getReader({ mode: "byob" });
  const writer = to.getWriter();
  // Told by what is thrown below.
  writer.closed.catch(() => {});
  over.addEventListener("abort", () => {
    writer.abort(over.reason).catch(() => {});
    reader.cancel(over.reason).catch(() => {});
  });
  const algorithm = algorithmOf(digest);
  const hash = createHash(algorithm);
  let held = new Uint8Array(0);
  let count = 0;
  try {
    for (;;) {
      const { done, value } = await reader.readAtLeast(BUFFER, new Uint8Array(BUFFER)).catch((error) => {
        onBreak();
        throw error;
      });
      if (done) break;
      hash.update(value);
      count += value.byteLength;
      if (held.byteLength > 0) await writer.write(held);
      held = value;
    }
    over.throwIfAborted();
    if (count === length && snapshot(hash, algorithm) !== digest) throw new Mismatch("another digest");
    if (held.byteLength > 0) await writer.write(held);
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => {});
    throw error;
  }
}
