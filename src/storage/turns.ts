/** Requests on one upload session wait for each other: they never interleave. */

import type { BodyReader } from "./body-reader.ts";

export class Turns {
  /** What the request whose turn it is reads. */
  body: BodyReader | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #unfinished = 0;

  /** Whether a piece of work is under way. */
  get busy(): boolean {
    return this.#unfinished > 0;
  }

  /**
   * Runs `work` when all that came before has ended, well or badly. A body that has gone silent, as one of a
   * client that vanished, gives way to who waits behind it.
   * @param stallTimeout how long silence is borne. Milliseconds.
   */
  take<T>(stallTimeout: number, work: () => Promise<T>): Promise<T> {
    const stopWatching = this.busy ? this.#watch(stallTimeout) : () => {};
    this.#unfinished++;
    const result = this.#last
      .then(() => {
        stopWatching();
        return work();
      })
      .finally(() => this.#unfinished--);
    this.#last = result.catch(() => {});
    return result;
  }

  #watch(stallTimeout: number): () => void {
    let watched = this.body;
    let received = watched?.received;
    const watchdog = setInterval(() => {
      const { body } = this;
      if (body?.waiting && body === watched && body.received === received) body.stop();
      watched = body;
      received = body?.received;
    }, stallTimeout);
    return () => clearInterval(watchdog);
  }
}
