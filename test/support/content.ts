/** Bytes for the tests, and their digests. For Node and workerd alike. */

import { type Algorithm, type Digest, digestOf } from "../../src/oci/digest.ts";

export type Content = Uint8Array | string;

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new TextEncoder().encode(text));
}

export function sha256(content: Content): Digest {
  return digest(content, "sha256");
}

export function sha512(content: Content): Digest {
  return digest(content, "sha512");
}

function digest(content: Content, algorithm: Algorithm): Digest {
  return digestOf(typeof content === "string" ? bytesOf(content) : content, algorithm);
}

/** How many bytes it has. */
export function sizeOf(content: Content): number {
  return typeof content === "string" ? bytesOf(content).byteLength : content.byteLength;
}

/** Bytes that do not repeat with any part size, and the same every time. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed >>> 0 || 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** A body of unknown length, in the given pieces; it breaks off behind them when told to. */
export function streamOf(pieces: Uint8Array[], end: "ends" | "breaks" = "ends"): ReadableStream<Uint8Array> {
  const rest = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const piece = rest.shift();
      if (piece !== undefined) controller.enqueue(piece);
      else if (end === "ends") controller.close();
      else controller.error(new Error("the client hung up"));
    },
  });
}
