/** What the signals that end a program do. */

import process from "node:process";

/** Of a terminal that closes, Ctrl-C, and a supervisor. Windows has none of the last. */
const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

export type EndingSignal = keyof typeof NUMBERS;

let ending: (signal: EndingSignal) => void = () => {};
let listening = false;

/**
 * Says what this program does on SIGHUP, SIGINT and SIGTERM, in place of what was said before. By default it exits
 * with the conventional code, and what is registered for "exit" happens.
 */
export function onSignals(
  end: (signal: EndingSignal) => void = (signal) => process.exit(exitCodeOf(signal)),
): void {
  ending = end;
  if (listening) return;
  listening = true;
  for (const signal of Object.keys(NUMBERS) as EndingSignal[]) process.on(signal, () => ending(signal));
}

/** 128 and the signal's number, as shells have it. */
export function exitCodeOf(signal: EndingSignal): number {
  return 128 + NUMBERS[signal];
}
