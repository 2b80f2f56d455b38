/** Breaks a binding on purpose: a call fails before it is made, or after it was made with its answer lost. */

type When = "before" | "after";

const faults = new Map<string, When[]>();

/**
 * Lets the next calls of a binding's method fail, one for each `when`.
 * @param call as it is counted: "DB.batch", "BUCKET.put", "part.complete"
 */
export function breakNext(call: string, ...when: When[]): void {
  faults.set(call, [...(faults.get(call) ?? []), ...when]);
}

export function healAll(): void {
  faults.clear();
  pauses.clear();
}

/** Runs a binding's call through its faults. */
export async function throughFaults<T>(call: string, run: () => Promise<T>): Promise<T> {
  const when = faults.get(call)?.shift();
  await pauses.get(call)?.();
  if (when === "before") throw new Error(`broken on purpose before ${call}`);
  const result = await run();
  if (when === "after") throw new Error(`broken on purpose after ${call}`);
  return result;
}

const pauses = new Map<string, () => Promise<void>>();

/** Runs `meanwhile` once, before the next call of a binding's method goes on: a race, forced. */
export function interleave(call: string, meanwhile: () => Promise<unknown>): void {
  pauses.set(call, async () => {
    pauses.delete(call);
    await meanwhile();
  });
}
