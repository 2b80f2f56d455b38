/** Numbers of bytes, as people write them. */

import { badInput } from "./failure.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  KiB: 2 ** 10,
  MB: 1e6,
  MiB: 2 ** 20,
  GB: 1e9,
  GiB: 2 ** 30,
  TB: 1e12,
  TiB: 2 ** 40,
};

/**
 * @param text like "16MiB" or "95MB"
 * @returns bytes, at least 1
 * @throws Failure
 */
export function parseSize(text: string): number {
  const match = /^(\d{1,12}(?:\.\d{1,3})?) ?([A-Za-z]*)$/.exec(text.trim());
  const unit = UNITS[match?.[2] ?? "?"];
  const size = Math.floor(Number(match?.[1]) * (unit ?? 0));
  if (size >= 1) return size;
  throw badInput(`${JSON.stringify(text)} is not a size: write it like 16MiB or 95MB.`);
}

/** @returns like "157.3 MB": decimal units, as docker prints them */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    value /= 1000;
    if (value < 999.95 || unit === "TB") return `${value.toFixed(1)} ${unit}`;
  }
  return "";
}
