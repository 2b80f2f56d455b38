/**
 * How many uploads may hold whole parts in one isolate at once. Its 128 MB are shared by all Durable Objects that
 * Cloudflare puts there and by the Worker; docker sends five layers at a time. Whoever comes when the isolate is
 * full waits, and its client with it: nobody is refused.
 *
 * Those who wait ask again and again, each by its own timer: a promise of one Durable Object must not be resolved
 * by another. For the same reason nobody is trusted to leave: a Durable Object can be reset in the middle, and a
 * place that nobody has confirmed for a while is free.
 */

/** Each holds two parts of 8 MiB. */
const PLACES = 4;

/** How often who waits asks. Milliseconds. */
const POLL = 50;

/** How long a place stands without being confirmed. Milliseconds. */
const ABANDONED = 20_000;

/** How often a holder confirms. Milliseconds. */
const CONFIRM = 2_000;

interface Place {
  confirmedAt: number;
}

export class Gate {
  readonly #places: number;
  readonly #held = new Set<Place>();
  #waiting = 0;

  constructor(places: number) {
    this.#places = places;
  }

  /** Whether somebody waits for a place. */
  get crowded(): boolean {
    return this.#waiting > 0;
  }

  /** How many places are held. */
  get held(): number {
    return this.#held.size;
  }

  /** Waits for a place. @returns how to leave it, which may be called twice */
  async enter(): Promise<() => void> {
    this.#waiting++;
    try {
      while (!this.#hasRoom()) await scheduler.wait(POLL);
    } finally {
      this.#waiting--;
    }
    const place = { confirmedAt: Date.now() };
    this.#held.add(place);
    const confirming = setInterval(() => {
      place.confirmedAt = Date.now();
    }, CONFIRM);
    return () => {
      clearInterval(confirming);
      this.#held.delete(place);
    };
  }

  #hasRoom(): boolean {
    for (const place of this.#held) {
      if (place.confirmedAt < Date.now() - ABANDONED) this.#held.delete(place);
    }
    return this.#held.size < this.#places;
  }
}

/** Of this isolate. */
export const gate = new Gate(PLACES);
