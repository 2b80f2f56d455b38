/**
 * Counts requests, in the isolate that serves them. Now and then what it has counted is added to the sums in the
 * database; what an isolate has not added when it goes is not counted.
 */

import { addCounts } from "../storage/counters.ts";
import type { Database } from "../storage/database.ts";

/** Upper bounds of the histogram of durations, in their order; above the last is "+Inf". Seconds. */
export const BUCKETS = [0.05, 0.25, 1, 5, 30];

/** An addition that has been announced for longer has died with its request. Milliseconds. */
const ANNOUNCED_FOR = 60_000;

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** By the ends of paths, as a repository's name may hold anything; as distribution names them, where it has them. */
const HANDLERS: [handler: string, path: RegExp][] = [
  ["base", /^\/v2\/?$/],
  ["catalog", /^\/v2\/_catalog$/],
  ["token", /^\/v2\/token$/],
  ["admin", /^\/v2\/_berth\//],
  ["blob_upload_chunk", /^\/v2\/.+\/blobs\/uploads\/[^/]+$/],
  ["blob_upload", /^\/v2\/.+\/blobs\/uploads\/?$/],
  ["blob", /^\/v2\/.+\/blobs\/[^/]+$/],
  ["manifest", /^\/v2\/.+\/manifests\/[^/]+$/],
  ["tags", /^\/v2\/.+\/tags\/list$/],
  ["referrers", /^\/v2\/.+\/referrers\/[^/]+$/],
  ["other", /^\/v2\//],
];

export interface CountedRequest {
  method: string;
  path: string;
  status: number;
  /** Until the answer began. Milliseconds. */
  duration: number;
}

/**
 * What has been counted and not been added: "requests <handler> <method> <status>", "durations <handler> <bucket>",
 * each request in the first bucket that it fits in, so that it is one row, and "seconds <handler>", their sum.
 */
let counted = new Map<string, number>();
/** An addition of which it is not known whether it was made. */
let doubtful: { id: string; counts: Map<string, number> } | null = null;
/** Milliseconds since the epoch. */
let announcedAt = Number.NEGATIVE_INFINITY;

/** Counts a request. @returns whether nobody has taken it on yet to add what is counted */
export function countRequest({ method, path, status, duration }: CountedRequest, now: number): boolean {
  const handler = handlerOf(path);
  const known = METHODS.includes(method) ? method : "other";
  add(`requests ${handler} ${known} ${status}`, 1);
  const seconds = duration / 1000;
  add(`durations ${handler} ${BUCKETS.find((bound) => seconds <= bound) ?? "+Inf"}`, 1);
  add(`seconds ${handler}`, seconds);
  if (now - announcedAt < ANNOUNCED_FOR) return false;
  announcedAt = now;
  return true;
}

/** Adds what has been counted to the database. @throws Unavailable, DatabaseFull; then it is added the next time */
export async function addCounted(db: Database, now: number): Promise<void> {
  announcedAt = Number.NEGATIVE_INFINITY;
  if (doubtful === null) {
    doubtful = { id: crypto.randomUUID(), counts: counted };
    counted = new Map();
  }
  const addition = doubtful;
  if (addition.counts.size > 0) await addCounts(db, addition.id, addition.counts, now);
  // Another request may have added it meanwhile: the same addition, which was made once.
  if (doubtful === addition) doubtful = null;
}

/** Forgets what has been counted. For tests. */
export function forgetCounted(): void {
  counted = new Map();
  doubtful = null;
  announcedAt = Number.NEGATIVE_INFINITY;
}

function add(name: string, value: number): void {
  counted.set(name, (counted.get(name) ?? 0) + value);
}

/** "page" for what is not of the registry's API. */
function handlerOf(path: string): string {
  return HANDLERS.find(([, pattern]) => pattern.test(path))?.[0] ?? "page";
}
