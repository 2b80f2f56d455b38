/** Requests of the soak. A 500 ends it: it is a bug whatever else happens. */

export class Client {
  readonly #origin: string;
  readonly #authorization: string;

  constructor(origin: string, authorization: string) {
    this.#origin = origin;
    this.#authorization = authorization;
  }

  async send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(`${this.#origin}${path}`, {
      ...init,
      method,
      headers: { ...init.headers, Authorization: this.#authorization },
      // Node asks for it with a body that is a stream.
      ...(init.body instanceof ReadableStream ? { duplex: "half" } : {}),
    } as RequestInit);
    if (response.status === 500) throw new Error(`${method} ${path} answered 500: ${await response.text()}`);
    return response;
  }

  /** @throws unless the status is one of `expected` */
  async expect(expected: number[], method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const response = await this.send(method, path, init);
    if (expected.includes(response.status)) return response;
    throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  }

  /** Uploads as docker does: POST, one PATCH of unknown length, empty PUT. */
  async upload(repository: string, digest: string, bytes: Buffer, chunked: boolean): Promise<void> {
    const location = await this.start(repository);
    if (chunked) {
      await this.expect([202], "PATCH", location, { body: streamOf(bytes) });
      await this.expect([201], "PUT", `${location}?digest=${digest}`);
    } else {
      await this.expect([201], "PUT", `${location}?digest=${digest}`, { body: new Uint8Array(bytes) });
    }
  }

  /** Begins an upload and hangs up in the middle of it. */
  async abandon(repository: string, bytes: Buffer): Promise<void> {
    const location = await this.start(repository);
    const hangUp = new AbortController();
    const body = streamOf(bytes.subarray(0, Math.ceil(bytes.byteLength / 2)), () => hangUp.abort());
    await this.send("PATCH", location, { body, signal: hangUp.signal }).catch((error) => {
      if (!hangUp.signal.aborted) throw error;
    });
  }

  async start(repository: string): Promise<string> {
    const response = await this.expect([202], "POST", `/v2/${repository}/blobs/uploads/`);
    return response.headers.get("Location") ?? "";
  }
}

/** @param then called behind the last byte, instead of ending the stream */
function streamOf(bytes: Buffer, then?: () => void): ReadableStream<Uint8Array> {
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      if (offset < bytes.byteLength) {
        controller.enqueue(new Uint8Array(bytes.subarray(offset, offset + 65_536)));
        offset += 65_536;
      } else if (then === undefined) controller.close();
      else then();
    },
  });
}
