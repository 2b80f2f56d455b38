/** The order of tags. Pure. */

import type { TagKey } from "../storage/browse/tags.ts";

export const ORDERS = ["time", "name", "version", "size", "pull"] as const;
export type Order = (typeof ORDERS)[number];

export function parseOrder(text: string | undefined): Order {
  return ORDERS.find((order) => order === text) ?? "time";
}

/** @param weights for "size", bytes; for "pull", when each was pulled */
export function sortTags<T extends TagKey>(
  tags: T[],
  order: Order,
  weights: ReadonlyMap<string, number>,
): T[] {
  return [...tags].sort((one, other) => compare(one, other, order, weights) || byName(one, other));
}

function compare(one: TagKey, other: TagKey, order: Order, weights: ReadonlyMap<string, number>): number {
  if (order === "time") return other.updatedAt - one.updatedAt;
  if (order === "pull") return (weights.get(one.name) ?? 0) - (weights.get(other.name) ?? 0);
  if (order === "size") return (weights.get(other.name) ?? 0) - (weights.get(one.name) ?? 0);
  return order === "version" ? compareVersions(other.name, one.name) : 0;
}

function byName(one: TagKey, other: TagKey): number {
  return one.name < other.name ? -1 : 1;
}

interface Version {
  numbers: number[];
  /** What follows a dash: such a version comes before the one without. */
  prerelease: string[];
}

/** As semantic versions do, also with a "v" before and with one or two numbers. Null for what is no version. */
export function parseVersion(text: string): Version | null {
  const [, major, minor, patch, prerelease] =
    /^v?(\d{1,15})(?:\.(\d{1,15}))?(?:\.(\d{1,15}))?(?:-([0-9A-Za-z.-]+))?$/.exec(text) ?? [];
  if (major === undefined) return null;
  return {
    numbers: [major, minor, patch].map((number) => Number(number ?? 0)),
    prerelease: prerelease === undefined ? [] : prerelease.split("."),
  };
}

/** Ascending; what is no version comes before all that are. */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [parseVersion(one), parseVersion(other)];
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  for (let place = 0; place < 3; place++) {
    const difference = (a.numbers[place] ?? 0) - (b.numbers[place] ?? 0);
    if (difference !== 0) return difference;
  }
  if (a.prerelease.length === 0 || b.prerelease.length === 0)
    return b.prerelease.length - a.prerelease.length;
  return comparePrereleases(a.prerelease, b.prerelease);
}

/** semver.org, 11.4 */
function comparePrereleases(one: string[], other: string[]): number {
  for (let place = 0; place < Math.min(one.length, other.length); place++) {
    const [a, b] = [one[place] ?? "", other[place] ?? ""];
    if (a === b) continue;
    const [x, y] = [/^\d+$/.test(a), /^\d+$/.test(b)];
    if (x && y) return Number(a) - Number(b);
    return x === y ? (a < b ? -1 : 1) : x ? -1 : 1;
  }
  return one.length - other.length;
}
