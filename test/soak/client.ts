/** Requests of the soak. A 500 ends it: it is a bug whatever else happens. */

import { answered, type Client, clientOf } from "../support/client.ts";
import { streamOf } from "../support/content.ts";

/** @param authorization the header */
export function clientAt(origin: string, authorization: string): Client {
  return clientOf(async (method, path, init = {}) => {
    const response = await fetch(`${origin}${path}`, {
      ...init,
      method,
      headers: { ...init.headers, Authorization: authorization },
      // Node asks for it with a body that is a stream.
      ...(init.body instanceof ReadableStream ? { duplex: "half" } : {}),
    } as RequestInit);
    if (response.status === 500) throw new Error(`${method} ${path} answered 500: ${await response.text()}`);
    return response;
  });
}

/** Uploads as docker does: POST, one PATCH of unknown length, empty PUT. Or as containerd does: POST, PUT. */
export async function upload(
  client: Client,
  repository: string,
  digest: string,
  bytes: Buffer,
  chunked: boolean,
): Promise<void> {
  const location = await client.startUpload(repository);
  if (chunked) {
    await answered([202], client.patch(location, streamOf(piecesOf(bytes))), `PATCH ${location}`);
    await answered([201], client.close(location, digest), `PUT ${location}`);
  } else {
    const body = new Uint8Array(bytes);
    await answered([201], client.close(location, digest, { body }), `PUT ${location}`);
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
