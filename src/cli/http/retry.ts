/** Trying again: which faults pass, and how long to wait for that. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "./exchange.ts";

/** Pauses between tries, 75 s in all: a registry that restarts is back by then. Milliseconds. */
export const UPLOAD_PAUSES: readonly number[] = [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 30_000];

/** For a request that a client waits on, with a timeout of its own. Milliseconds. */
export const QUICK_PAUSES: readonly number[] = [250, 1000, 2000];

/** The longest that a registry can ask to wait at a time. Milliseconds. */
const MAX_RETRY_AFTER = 60_000;

/** Whether the same request may get a better answer later. */
export function isPassing(status: number): boolean {
  if (status === 408 || status === 425 || status === 429) return true;
  // 501 and 505 say "never"; 507 is a full disk.
  return status >= 500 && status !== 501 && status !== 505 && status !== 507;
}

/** Whether a gateway answered in place of the registry. 520 to 527 are Cloudflare's. */
export function isGatewayFault(status: number): boolean {
  return (status >= 502 && status <= 504) || (status >= 520 && status <= 527);
}

/**
 * How many tries in a row may end with this status. A gateway says 502 to 504 while a registry restarts, which
 * takes a while; a 500 is the registry's own, and rarely passes: its disk may be full.
 */
function triesFor(status: number): number {
  return status === 500 ? 4 : Number.POSITIVE_INFINITY;
}

/** How long an answer asks to wait. Milliseconds; 0 when it does not say. */
function retryAfter(answer: Pick<Answer, "headers">): number {
  const seconds = Number(answer.headers["retry-after"] ?? 0);
  return seconds > 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER) : 0;
}

/** A bounded number of tries with growing pauses; any progress renews it. */
export class Patience {
  readonly #pauses: readonly number[];
  readonly #onPause: (pause: number, reason: string) => void;
  #failures = 0;

  constructor(pauses: readonly number[], onPause: (pause: number, reason: string) => void = () => {}) {
    this.#pauses = pauses;
    this.#onPause = onPause;
  }

  renew(): void {
    this.#failures = 0;
  }

  /**
   * Waits before the next try.
   * @param answer of the last try; without one its connection was lost
   * @returns false when there is no next try
   */
  async wait(reason: string, answer?: Pick<Answer, "status" | "headers">): Promise<boolean> {
    const pause = this.#pauses[this.#failures];
    if (pause === undefined) return false;
    this.#failures += 1;
    if (answer !== undefined && this.#failures >= triesFor(answer.status)) return false;
    const time = Math.max(pause, answer === undefined ? 0 : retryAfter(answer));
    this.#onPause(time, reason);
    await sleep(time);
    return true;
  }
}
