/** Breaks a binding on purpose: a call fails before it is made, or after it was made with its answer lost. */

/** "never" lets a call pass. */
export type When = "before" | "after" | "never";

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

/**
 * Lets the database refuse what would add to it, as D1 does when it is full, until {@link healAll}.
 * @param message D1's @param refuses whether a call with these statements adds something
 */
export function fillDatabase(message: string, refuses: (statements: string[]) => boolean): void {
  full = { message, refuses, refused: 0 };
}

/** How many calls a full database has refused. */
export function refusedByFull(): number {
  return full?.refused ?? 0;
}

let full: { message: string; refuses: (statements: string[]) => boolean; refused: number } | null = null;

/** Lets a call fail until {@link healAll}. */
export function breakAlways(call: string, when: Exclude<When, "never">): void {
  broken.set(call, when);
}

const broken = new Map<string, When>();

/** A call of a binding, as a recording has it. */
export interface Call {
  /** "DB.query", "DB.batch", "BUCKET.put", "UPLOADS.append" … */
  name: string;
  /** Of the database: the statements, their white space made even. */
  statements: string[];
  /** Whether it carries a request's body, which is gone with the call: only the client can send it again. */
  carriesBody: boolean;
  /** What tells it from others like it at the same time, as the path of an object; "" where there are none. */
  target: string;
}

let recording: Call[] | null = null;
let planned: { index: number; when: Exclude<When, "never">; lasting: boolean } | null = null;
/** The call that fails until {@link mend}. */
let failing: { identity: string; when: Exclude<When, "never"> } | null = null;

/** Begins a recording of all calls. @returns the list that they will be in, in their order */
export function recordCalls(): Call[] {
  const calls: Call[] = [];
  recording = calls;
  return calls;
}

/**
 * Lets one call of the recording that begins now fail.
 * @param index which one
 * @param lasting whether its repetitions fail as well, until {@link mend}
 * @returns the recording
 */
export function breakCall(index: number, when: Exclude<When, "never">, lasting: boolean): Call[] {
  planned = { index, when, lasting };
  return recordCalls();
}

/** The calls that have failed and were not repeated yet, where each fails once; null where none does. */
let failedOnce: { when: Exclude<When, "never">; calls: Set<string> } | null = null;

/** Lets every call fail once, until {@link healAll}: it is the next one that passes, its repetition. @returns as {@link breakCall} */
export function breakEveryCall(when: Exclude<When, "never">): Call[] {
  failedOnce = { when, calls: new Set() };
  return recordCalls();
}

/** Lets what {@link breakCall} broke work again. */
export function mend(): void {
  failing = null;
}

/** Whether the call that {@link breakCall} means has come. */
export function wasBroken(): boolean {
  return planned === null;
}

function noteCall(call: Call): When | null {
  const index = recording === null ? -1 : recording.push(call) - 1;
  const identity = [call.name, ...call.statements].join("\n");
  if (planned?.index === index) {
    const { when, lasting } = planned;
    planned = null;
    if (lasting) failing = { identity, when };
    return when;
  }
  if (failedOnce !== null) {
    const { when, calls } = failedOnce;
    // Who sends a body again sends it to another key.
    const one = call.carriesBody ? identity : `${identity}\n${call.target}`;
    if (!calls.has(one)) {
      calls.add(one);
      return when;
    }
    // Only the client can repeat what carries a body, and with it comes all that led there.
    if (!call.carriesBody) calls.delete(one);
  }
  return failing?.identity === identity ? failing.when : null;
}

let roll: (() => When) | null = null;

/** Lets every call take its chances: `next` says what becomes of it. Null ends that. */
export function breakAtRandom(next: (() => When) | null): void {
  roll = next;
}

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
  full = null;
  broken.clear();
  pauses.clear();
  recording = null;
  planned = null;
  failing = null;
  failedOnce = null;
}

/** Runs a binding's call through its faults. */
export async function throughFaults<T>(
  call: string,
  run: () => Promise<T>,
  { statements = [], carriesBody = false, target = "" }: Partial<Call> = {},
): Promise<T> {
  const chosen = noteCall({ name: call, statements, carriesBody, target });
  const when = chosen ?? faults.get(call)?.shift() ?? broken.get(call) ?? roll?.();
  await pauses.get(call)?.();
  if (full?.refuses(statements)) {
    full.refused++;
    throw new Error(full.message);
  }
  // R2 numbers its errors; this one is an internal error.
  const code = call.startsWith("BUCKET.") ? " (10001)" : "";
  if (when === "before") throw new Error(`broken on purpose before ${call}${code}`);
  const result = await run();
  if (when === "after") throw new Error(`broken on purpose after ${call}${code}`);
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
