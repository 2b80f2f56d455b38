/** What a collection reports. */

import type { Candidate } from "../storage/garbage/page.ts";

/** A report names at most this many things; its counts are exact. */
const MAX_ENTRIES = 1000;

/** Share of the database's limit from which it is nearly full. */
const NEARLY = 0.8;

/** And so many failures of a step. */
const MAX_FAILURES = 10;

export const KINDS = ["manifests", "links", "blobs", "orphans", "repositories"] as const;
export type Kind = (typeof KINDS)[number];

/** What takes no garbage of the registry. "objects": bytes, of what was taken before. "events": of the audit trail. */
export type Upkeep = "objects" | "events";

/** "run": what belongs to no step. */
export type Step = Kind | Upkeep | "run";

export interface CollectionReport {
  id: string;
  /** The binding of the database whose garbage was collected. */
  collected: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
  /** Milliseconds. */
  duration: number;
  dryRun: boolean;
  /** "stopped": the budget was used up, the next run goes on. "failed": so does it, once the cause is gone. */
  outcome: "complete" | "stopped" | "failed";
  /** The first failure; null when there was none. */
  error: string | null;
  failures: { step: Step; error: string }[];
  taken: Record<Kind, { count: number; bytes: number }>;
  /** Of what there may be more: the next run goes on there. */
  unfinished: Step[];
  /** Deleted from the store. */
  objectsDeleted: number;
  /** Of the audit trail: events that were older than AUDIT_KEPT. */
  eventsDeleted: number;
  /** What is doomed and still lies in the store, until it has been kept for DELETED_BYTES_KEPT. */
  waiting: { count: number; bytes: number };
  /** How large the database is, and may become, in bytes; null where a run did not come that far. */
  database: { bytes: number; limit: number; nearlyFull: boolean } | null;
  entries: (Omit<Candidate, "row"> & { kind: Kind })[];
}

export function newReport(collected: string, dryRun: boolean): CollectionReport {
  const taken = Object.fromEntries(KINDS.map((kind) => [kind, { count: 0, bytes: 0 }]));
  return {
    id: crypto.randomUUID(),
    collected,
    startedAt: Date.now(),
    duration: 0,
    dryRun,
    outcome: "complete",
    error: null,
    failures: [],
    taken: taken as CollectionReport["taken"],
    unfinished: [],
    objectsDeleted: 0,
    eventsDeleted: 0,
    waiting: { count: 0, bytes: 0 },
    database: null,
    entries: [],
  };
}

export function addTaken(report: CollectionReport, step: Kind | Upkeep, taken: Candidate[]): void {
  if (step === "objects") {
    report.objectsDeleted += taken.length;
    return;
  }
  if (step === "events") {
    report.eventsDeleted += taken.length;
    return;
  }
  for (const { repository, digest, bytes } of taken) {
    report.taken[step].count++;
    report.taken[step].bytes += bytes;
    if (report.entries.length < MAX_ENTRIES) report.entries.push({ kind: step, repository, digest, bytes });
  }
}

/** Notes, once, that there may be more for a step to do. */
export function addUnfinished(report: CollectionReport, step: Step): void {
  if (!report.unfinished.includes(step)) report.unfinished.push(step);
}

/** Notes how large the database is, in bytes, where that is known. */
export function noteSize(report: CollectionReport, bytes: number | null, limit: number): void {
  if (bytes !== null) report.database = { bytes, limit, nearlyFull: bytes >= limit * NEARLY };
}

export function addFailure(report: CollectionReport, step: Step, error: unknown): void {
  const text =
    error instanceof Error && error.cause !== undefined ? `${error}: ${error.cause}` : String(error);
  report.outcome = "failed";
  report.error ??= text;
  // Pages that fail alike are one failure.
  const known = report.failures.filter((failure) => failure.step === step);
  if (known.length < MAX_FAILURES && known.every((failure) => failure.error !== text)) {
    report.failures.push({ step, error: text });
  }
}
