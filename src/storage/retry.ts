/**
 * Passing faults of D1, object stores and Durable Objects. Cloudflare repeats only reads by itself, so whatever can be
 * done twice is tried again here, a few times and with pauses that grow and differ, and then given up.
 */

/** Pauses between tries, before they are shortened at random. They fit into what a client waits. Milliseconds. */
const PAUSES = [50, 200, 800] as const;

/** After a try that took this long, no other begins: the client does not wait for ever. Milliseconds. */
const BUDGET = 10_000;

/** What the pauses are multiplied by. */
let pace = 1;

/** Makes all pauses shorter, and none fewer. For tests. @param share of their length, from 0 to 1 */
export function shortenPauses(share: number): void {
  pace = share;
}

/** A store cannot be reached, or is overloaded. Nothing is known of what became of the last try. */
export class Unavailable extends Error {
  /** By which code of its own the store refuses the registry, as for a wrong secret; null when it is only away. */
  readonly refusal: string | null;

  /** @param store which one, for the log */
  constructor(store: string, cause: unknown, refusal: string | null = null) {
    super(`${store} is not available`, { cause });
    this.name = "Unavailable";
    this.refusal = refusal;
  }
}

/**
 * Runs what can be repeated until it succeeds.
 * @param attempt is told how many tries came before: with any, one of them may have done it with its answer lost
 * @param isPassing whether another try may help after this error
 * @throws Unavailable when the last try failed as well; what `attempt` throws when that is not passing
 */
export async function retried<T>(
  store: string,
  attempt: (before: number) => Promise<T>,
  isPassing: (error: unknown) => boolean,
): Promise<T> {
  const giveUpAt = Date.now() + BUDGET;
  for (let before = 0; ; before++) {
    try {
      return await attempt(before);
    } catch (error) {
      if (!isPassing(error)) throw error;
      const pause = PAUSES[before];
      if (pause === undefined || Date.now() > giveUpAt) throw new Unavailable(store, error);
      // Those who failed together do not come back together.
      await scheduler.wait(pause * pace * (0.5 + Math.random() / 2));
    }
  }
}
