/** Requests of the soak. A 500 ends it: it is a bug whatever else happens. What is answered 503 is asked again. */

import { setTimeout as sleep } from "node:timers/promises";

import { answered, type Client, clientOf } from "../support/client.ts";
import { streamOf } from "../support/content.ts";

/** How often a request is repeated that is answered 503. */
const REPETITIONS = 10;

/** Milliseconds. */
const PAUSE = 200;

/**
 * What wrangler's proxy makes of a connection that is cut under it, as that of a body is whose session is reset. The
 * registry's own 500 is JSON.
 */
const CUT = "Error: Network connection lost.";

/**
 * @param authorization the header
 * @param onRefusal told of every 503
 */
export function clientAt(origin: string, authorization: string, onRefusal: () => void): Client {
  return clientOf(async (method, path, init = {}) => {
    for (let before = 0; ; before++) {
      const response = await ask(method, path, init);
      if (response.status !== 503) return response;
      onRefusal();
      // An upload is begun anew instead: see `upload`.
      if (before === REPETITIONS || isUpload(method, path)) return response;
      await response.body?.cancel();
      await sleep(PAUSE);
    }
  });

  async function ask(method: string, path: string, init: RequestInit): Promise<Response> {
    const sent = fetch(`${origin}${path}`, {
      ...init,
      method,
      headers: { ...init.headers, Authorization: authorization },
      // Node asks for it with a body that is a stream.
      ...(init.body instanceof ReadableStream ? { duplex: "half" } : {}),
    } as RequestInit);
    const response = await sent.catch((error) => {
      // Who answers before it has read a whole body may have the connection cut: the client begins anew as well.
      if (isUpload(method, path) && init.signal?.aborted !== true) return new Response(null, { status: 503 });
      throw new Error(`${method} ${path} had no answer`, { cause: error });
    });
    if (response.status !== 500) return response;
    const text = await response.text();
    if (isUpload(method, path) && text.startsWith(CUT)) return new Response(null, { status: 503 });
    throw new Error(`${method} ${path} answered 500: ${text}`);
  }
}

function isUpload(method: string, path: string): boolean {
  return /^(PATCH|PUT)$/.test(method) && path.includes("/blobs/uploads/");
}

/**
 * Uploads as docker does: POST, one PATCH of unknown length, empty PUT. Or as containerd does: POST, PUT. A failure
 * in the middle begins it anew, as docker does.
 * @param onStart told of each session
 */
export async function upload(
  client: Client,
  repository: string,
  digest: string,
  bytes: Buffer,
  chunked: boolean,
  onStart: (location: string) => void = () => {},
): Promise<void> {
  for (let before = 0; ; before++) {
    const location = await client.startUpload(repository);
    onStart(location);
    const statuses = [before === REPETITIONS ? 201 : 503, 201];
    if (chunked) {
      const patched = client.patch(location, streamOf(piecesOf(bytes)));
      const { status } = await answered([202, statuses[0] as number], patched, `PATCH ${location}`);
      if (status === 503) continue;
    }
    const init = chunked ? {} : { body: new Uint8Array(bytes) };
    const { status } = await answered(statuses, client.close(location, digest, init), `PUT ${location}`);
    if (status === 201) return;
  }
}

/** Begins an upload and hangs up in the middle of it. */
export async function abandon(client: Client, repository: string, bytes: Buffer): Promise<void> {
  const location = await client.startUpload(repository);
  const hangUp = new AbortController();
  const rest = piecesOf(bytes.subarray(0, Math.ceil(bytes.byteLength / 2)));
  const body = new ReadableStream({
    pull(controller) {
      const piece = rest.shift();
      if (piece === undefined) hangUp.abort();
      else controller.enqueue(piece);
    },
  });
  await client.send("PATCH", location, { body, signal: hangUp.signal }).catch((error) => {
    if (!hangUp.signal.aborted) throw error;
  });
}

/** Of 64 KiB each. */
function piecesOf(bytes: Buffer): Uint8Array[] {
  const size = 65_536;
  return Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, index) =>
    Uint8Array.from(bytes.subarray(index * size, (index + 1) * size)),
  );
}
