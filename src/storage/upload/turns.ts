/** Requests on one upload session wait for each other: they never interleave. */

export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #unfinished = 0;

  /** Whether a piece of work is under way. */
  get busy(): boolean {
    return this.#unfinished > 0;
  }

  /** Whether another piece of work waits behind it. */
  get crowded(): boolean {
    return this.#unfinished > 1;
  }

  /** Runs `work` when all that came before has ended, well or badly. */
  take<T>(work: () => Promise<T>): Promise<T> {
    this.#unfinished++;
    const result = this.#last.then(work).finally(() => this.#unfinished--);
    this.#last = result.catch(() => {});
    return result;
  }
}
