/** Thrown when a body broke off, or was given up. What had arrived before counts. */
export class Interrupted extends Error {}

/** A BYOB read returns what has arrived, up to this. Waiting for more would lose it when the client vanishes. */
const READ_SIZE = 64 * 1024;

/** Reads one request body as it arrives, and can be told from outside to give it up. */
export class BodyReader {
  /** Bytes so far. */
  received = 0;

  /** Whether it is the client that is waited for, and not what is done with the bytes. */
  #waiting = false;
  readonly #reader: ReadableStreamBYOBReader;
  #buffer = new ArrayBuffer(READ_SIZE);
  #ended = false;
  #stopped = false;

  constructor(body: ReadableStream) {
    this.#reader = body.getReader({ mode: "byob" });
  }

  /**
   * The next bytes, valid until the next call; null at the end.
   * @throws Interrupted
   */
  async read(): Promise<Uint8Array | null> {
    if (this.#ended) return null;
    this.#waiting = true;
    try {
      const { done, value } = await this.#reader.read(new Uint8Array(this.#buffer));
      if (this.#stopped) throw new Interrupted("another request is waiting");
      this.#ended = done;
      if (done) return null;
      this.received += value.byteLength;
      this.#buffer = value.buffer;
      return value;
    } catch (error) {
      this.#ended = true;
      throw new Interrupted(String(error));
    } finally {
      this.#waiting = false;
    }
  }

  /**
   * Gives up, as if the connection had broken, when the client has sent less than `least` for `timeout` and somebody
   * else is waiting: it may have vanished.
   * @param timeout milliseconds
   * @param least bytes
   * @returns how to end the watch
   */
  giveWay(timeout: number, least: number, isWanted: () => boolean): () => void {
    let received = this.received;
    const watch = setInterval(() => {
      if (this.#waiting && this.received - received < least && isWanted()) this.#stop();
      received = this.received;
    }, timeout);
    return () => clearInterval(watch);
  }

  #stop(): void {
    this.#stopped = true;
    this.#reader.cancel("another request is waiting").catch(() => {});
  }

  /** Writes everything to `writable`, and closes it. @throws Interrupted, or what `signal` was aborted with */
  async pipeTo(writable: WritableStream<Uint8Array>, { signal }: { signal: AbortSignal }): Promise<void> {
    const writer = writable.getWriter();
    signal.addEventListener("abort", () => writer.abort(signal.reason).catch(() => {}));
    try {
      for (let bytes = await this.read(); bytes !== null; bytes = await this.read()) {
        // A copy: what is written may be read only after the next read has begun.
        await writer.write(bytes.slice());
      }
      await writer.close();
    } catch (error) {
      await writer.abort(error).catch(() => {});
      throw error;
    }
  }

  /** Reads what is left for nothing: a client that is still sending may not hear the answer otherwise. */
  async drain(): Promise<void> {
    try {
      while ((await this.read()) !== null);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
    }
  }
}
