/**
 * How many uploads may hold whole parts in one isolate at once. Its 128 MB are shared by all Durable Objects that
 * Cloudflare puts there and by the Worker; docker sends five layers at a time. Whoever comes when the isolate is
 * full waits, and its client with it: nobody is refused.
 *
 * Those who wait ask again and again, each by its own timer: a promise of one Durable Object must not be resolved
 * by another. For the same reason nobody is trusted to leave: a Durable Object can be reset in the middle, and a
 * place that nobody has confirmed for a while is free.
 *
 * The buffers of those who left serve those who come next: left to V8, they would stand beside the new ones until it
 * collects. When nobody holds a place they go, for the isolate has other work.
 */

import { PART_SIZE } from "./state.ts";

/** Each holds two parts of 8 MiB. */
const PLACES = 4;

/** How often who waits asks. Milliseconds. */
const POLL = 50;

/** Who has not asked for this long does not wait any more. Milliseconds. */
const GONE = 2_000;

/** How long a place stands without being confirmed. Milliseconds. */
const ABANDONED = 20_000;

/** How often a holder confirms. Milliseconds. */
const CONFIRM = 2_000;

/** Somebody who waits, or holds a place, and when that was last heard of. Milliseconds since the epoch. */
interface Presence {
  seenAt: number;
}

/** The right to hold whole parts. */
export interface Place {
  /** A buffer for a whole part, with anything in it. */
  buffer(): Uint8Array;
  /** Takes back a buffer that nobody reads or writes any more. */
  giveBack(buffer: Uint8Array): void;
  /** May be called twice. */
  leave(): void;
}

class Gate {
  readonly #places: number;
  #buffers: Uint8Array[] = [];
  readonly #held = new Set<Presence>();
  /** In the order in which they came. */
  readonly #waiting = new Set<Presence>();

  constructor(places: number) {
    this.#places = places;
  }

  /** Whether somebody waits for a place. */
  get crowded(): boolean {
    forget(this.#waiting, GONE);
    return this.#waiting.size > 0;
  }

  /** Waits for a place. */
  async enter(): Promise<Place> {
    const waiting = { seenAt: Date.now() };
    this.#waiting.add(waiting);
    try {
      while (!this.#mayEnter(waiting)) await scheduler.wait(POLL);
    } finally {
      this.#waiting.delete(waiting);
    }
    const presence = { seenAt: Date.now() };
    this.#held.add(presence);
    const confirming = setInterval(() => {
      presence.seenAt = Date.now();
    }, CONFIRM);
    return {
      buffer: () => this.#buffers.pop() ?? new Uint8Array(PART_SIZE),
      giveBack: (buffer) => {
        this.#buffers.push(buffer);
      },
      leave: () => {
        clearInterval(confirming);
        this.#held.delete(presence);
        if (this.#held.size === 0) this.#buffers = [];
      },
    };
  }

  #mayEnter(waiting: Presence): boolean {
    waiting.seenAt = Date.now();
    this.#waiting.add(waiting);
    forget(this.#waiting, GONE);
    forget(this.#held, ABANDONED);
    const [first] = this.#waiting;
    return first === waiting && this.#held.size < this.#places;
  }
}

function forget(present: Set<Presence>, after: number): void {
  for (const one of present) if (one.seenAt < Date.now() - after) present.delete(one);
}

/** Of this isolate. */
export const gate = new Gate(PLACES);
