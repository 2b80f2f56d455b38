/** Several things under way at a time, and no more. */

/**
 * Does `work` for each item, so many at once. The first failure ends it: what is under way is not waited for, and
 * nothing new begins.
 */
export async function atOnce<T>(
  width: number,
  items: Iterable<T> | AsyncIterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  // One iterator for all: it is asked for another item only when somebody is free.
  const rest = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let failed = false;
  const goOn = async () => {
    for (let next = await rest.next(); !next.done && !failed; next = await rest.next())
      await work(next.value);
  };
  const fail = (error: unknown) => {
    failed = true;
    throw error;
  };
  await Promise.all(Array.from({ length: width }, () => goOn().catch(fail)));
}

/** A door that lets so many through at a time. */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number) {
    this.#free = width;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((go) => this.#waiting.push(go));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
