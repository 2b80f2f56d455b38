/** Spans of time, as people write them. */

import { badInput } from "./failure.ts";

const UNITS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * @param text like "90d" or "12h"
 * @returns seconds, at least 60
 * @throws Failure
 */
export function parseDuration(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,5})([mhdw])$/.exec(text.trim()) ?? [];
  const seconds = Number(count) * (UNITS[unit] ?? 0);
  if (seconds > 0) return seconds;
  throw badInput(`${JSON.stringify(text)} is no span of time: write it like 90d or 12h.`);
}
