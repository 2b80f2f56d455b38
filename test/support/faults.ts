/** Breaks a binding on purpose: a call fails before it is made, or after it was made with its answer lost. */

/** "never" lets a call pass. */
type When = "before" | "after" | "never";

const faults = new Map<string, When[]>();

/**
 * Lets the next calls of a binding's method fail, one for each `when`.
 * @param call as it is counted: "DB.batch", "BUCKET.put", "part.complete"
 */
export function breakNext(call: string, ...when: When[]): void {
  faults.set(call, [...(faults.get(call) ?? []), ...when]);
}

/**
 * Lets a call fail as often as it is tried: a passing fault is waited out, so one failure alone is not seen.
 * @param first how many calls pass first
 */
export function breakAll(call: string, when: Exclude<When, "never">, first = 0): void {
  faults.set(call, [...Array<When>(first).fill("never"), ...Array<When>(TRIES).fill(when)]);
}

/** Lets a call fail until {@link healAll}. */
export function breakAlways(call: string, when: Exclude<When, "never">): void {
  broken.set(call, when);
}

const broken = new Map<string, When>();

/** As in src/storage/retry.ts: a call and its repetitions. */
export const TRIES = 4;

/** Whether all that was to be broken, or to happen in between, has been. */
export function allHappened(): boolean {
  return [...faults.values()].every((left) => left.length === 0) && pauses.size === 0 && cuts.length === 0;
}

/** Lets the bodies of the next R2 reads break off, each behind so many bytes: Infinity lets one pass. */
export function breakBodies(...after: number[]): void {
  cuts.push(...after);
}

const cuts: number[] = [];

/** A body as it arrives: whole, or broken off on purpose. */
export function bodyThroughFaults(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const cut = cuts.shift();
  if (cut === undefined) return body;
  const reader = body.getReader();
  let left = cut;
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) {
        controller.close();
        controller.byobRequest?.respond(0);
        return;
      }
      if (value.byteLength < left) {
        left -= value.byteLength;
        return controller.enqueue(value);
      }
      if (left > 0) controller.enqueue(value.slice(0, left));
      left = 0;
      await reader.cancel();
      controller.error(new Error("Network connection lost."));
    },
  });
}

export function healAll(): void {
  cuts.length = 0;
  faults.clear();
  broken.clear();
  pauses.clear();
}

/** Runs a binding's call through its faults. */
export async function throughFaults<T>(call: string, run: () => Promise<T>): Promise<T> {
  const when = faults.get(call)?.shift() ?? broken.get(call);
  await pauses.get(call)?.();
  if (when === "before") throw new Error(`broken on purpose before ${call}`);
  const result = await run();
  if (when === "after") throw new Error(`broken on purpose after ${call}`);
  return result;
}

const pauses = new Map<string, () => Promise<void>>();

/**
 * Runs `meanwhile` once, before a later call of a binding's method goes on: a race, forced.
 * @param after how many calls pass first
 */
export function interleave(call: string, meanwhile: () => Promise<unknown>, after = 0): void {
  pauses.set(call, async () => {
    pauses.delete(call);
    if (after > 0) interleave(call, meanwhile, after - 1);
    else await meanwhile();
  });
}
