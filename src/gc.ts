/**
 * Garbage collection, beside a registry in use. It looks at what the database says is unreferenced, never at
 * everything; what may go is decided by each statement as it takes it, so nothing here can be out of date.
 *
 * A run goes through the steps in order, a page at a time, under a lease. It stops when its budget is used up,
 * and the next run goes on: walks through live rows keep a cursor, everything else begins with what is left.
 */

import { readSettings, type Settings } from "./config.ts";
import { sweepDoomed, takeOrphans } from "./storage/doomed.ts";
import { type GarbagePage, type Taken, takeBlobs, takeLinks, takeRepositories } from "./storage/garbage.ts";
import { takeManifests } from "./storage/garbage-manifests.ts";
import { acquireLease, type Cursors, finishRun, renewLease } from "./storage/gc-runs.ts";

/** Rows a page; of objects R2 lists 1,000. */
const PAGE = 500;

/** A dry run lists at most this much of a kind. */
const DRY_PAGE = 10_000;

/** D1 allows 1,000 queries an invocation; a page takes at most 4. */
const MAX_PAGES = 200;

/** Of these, pages of objects in search of orphans. The walk goes on in the next run. */
const MAX_ORPHAN_PAGES = 20;

/** A cron run has 15 minutes, and who calls waits no longer than 5 for an answer. Milliseconds. */
const MAX_DURATION = 4 * 60_000;

/** A run that has died is overtaken after this. Milliseconds. */
const LEASE = 2 * 60_000;

/** A report names at most this many things; its counts are exact. */
const MAX_ENTRIES = 1000;

export const KINDS = ["manifests", "links", "blobs", "orphans", "repositories"] as const;
export type Kind = (typeof KINDS)[number];

export interface CollectionReport {
  id: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
  /** Milliseconds. */
  duration: number;
  dryRun: boolean;
  /** "stopped": the budget was used up, the next run goes on. "failed": so does it, once the cause is gone. */
  outcome: "complete" | "stopped" | "failed";
  error: string | null;
  taken: Record<Kind, { count: number; bytes: number }>;
  /** Of what there may be more: the next run goes on there. */
  unfinished: (Kind | "objects")[];
  /** R2 objects deleted. */
  objectsDeleted: number;
  entries: (Taken & { kind: Kind })[];
}

interface Run {
  env: Env;
  settings: Settings;
  dry: boolean;
  report: CollectionReport;
  cursors: Cursors;
  pages: number;
}

/**
 * Collects, or with `dryRun` says what a run would take now, changing nothing: not even a record of itself.
 * @returns what was done; null when another run is under way
 */
export async function collectGarbage(
  env: Env,
  { dryRun }: { dryRun: boolean },
): Promise<CollectionReport | null> {
  // A setting that makes no sense fails before the lease is taken.
  const settings = readSettings(env);
  const report = newReport(dryRun);
  const cursors = dryRun ? {} : await acquireLease(env.DB, report.id, Date.now(), Date.now() + LEASE);
  if (cursors === null) return null;
  const run: Run = { env, settings, dry: dryRun, report, cursors, pages: 0 };
  try {
    await takeEverything(run);
    report.outcome = report.unfinished.length === 0 ? "complete" : "stopped";
  } catch (error) {
    report.outcome = "failed";
    report.error = String(error);
  }
  report.duration = Date.now() - report.startedAt;
  const { entries, ...summary } = report;
  console.log(JSON.stringify({ event: "garbage-collection", ...summary }));
  if (!dryRun) await recordRun(run);
  return report;
}

/** Without the record, the lease ends by itself. */
async function recordRun({ env, report, cursors }: Run): Promise<void> {
  try {
    await finishRun(env.DB, report.id, report.startedAt, report, cursors);
  } catch (error) {
    report.outcome = "failed";
    report.error ??= `the run could not be recorded: ${error}`;
    console.error(
      JSON.stringify({ event: "garbage-collection-not-recorded", id: report.id, error: String(error) }),
    );
  }
}

function newReport(dryRun: boolean): CollectionReport {
  const taken = Object.fromEntries(KINDS.map((kind) => [kind, { count: 0, bytes: 0 }]));
  return {
    id: crypto.randomUUID(),
    startedAt: Date.now(),
    duration: 0,
    dryRun,
    outcome: "complete",
    error: null,
    taken: taken as CollectionReport["taken"],
    unfinished: [],
    objectsDeleted: 0,
    entries: [],
  };
}

async function takeEverything(run: Run): Promise<void> {
  const { env, settings, dry } = run;
  const { DB, BUCKET } = env;
  const now = Date.now();
  const cut = now - settings.gracePeriod;
  const limit = dry ? DRY_PAGE : PAGE;
  // 1. Manifests that the policy gives up. The other steps keep half of the budget.
  await takeUnwanted(run, now, cut);
  // 2. Links that no manifest uses, then 3. blobs that no repository sees.
  await walk(run, "links", () => takeLinks(DB, cut, limit, dry));
  await walk(run, "blobs", () => takeBlobs(DB, cut, limit, dry));
  // 4. Objects that no row names.
  const old = now - settings.orphanAge;
  const orphans = (after: string | null) => takeOrphans(DB, BUCKET, after, old, now, dry);
  await walk(run, "orphans", orphans, MAX_ORPHAN_PAGES);
  // 5. Repositories that hold nothing.
  await walk(run, "repositories", (after) => takeRepositories(DB, after, PAGE, dry));
  // 6. The bytes.
  if (!dry) await sweep(run);
}

/** Walks through manifests until a whole walk finds none to take: an index frees what it named. */
async function takeUnwanted(run: Run, now: number, cut: number): Promise<void> {
  const { env, settings, dry, report } = run;
  const policy = {
    untaggedBefore: settings.untaggedManifests === null ? null : now - settings.untaggedManifests,
    referrersBefore: settings.deleteDanglingReferrers ? cut : null,
  };
  if (policy.untaggedBefore === null && policy.referrersBefore === null) return;
  for (;;) {
    const before = report.taken.manifests.count;
    const take = (after: string | null) => takeManifests(env.DB, policy, after, PAGE, dry);
    const ended = await walk(run, "manifests", take, MAX_PAGES / 2 - run.pages);
    if (!ended || dry || report.taken.manifests.count === before) return;
  }
}

/**
 * Goes through the pages of one kind of garbage, from where its walk stands.
 * @returns whether it came to the end; else the report says so
 */
async function walk(
  run: Run,
  kind: Kind,
  take: (after: string | null) => Promise<GarbagePage>,
  maxPages = MAX_PAGES,
): Promise<boolean> {
  for (let pages = 0; pages < maxPages && (await mayGoOn(run)); pages++) {
    const page = await take(run.cursors[kind] ?? null);
    record(run.report, kind, page.taken);
    if (page.next === null) {
      delete run.cursors[kind];
      return true;
    }
    // A dry run has taken nothing away: the same page would come again.
    if (run.dry && page.next === "") break;
    run.cursors[kind] = page.next;
  }
  run.report.unfinished.push(kind);
  return false;
}

/** Deletes what is doomed from R2. */
async function sweep(run: Run): Promise<void> {
  for (let more = true; more; ) {
    if (!(await mayGoOn(run))) {
      run.report.unfinished.push("objects");
      return;
    }
    const page = await sweepDoomed(run.env.DB, run.env.BUCKET);
    run.report.objectsDeleted += page.deleted;
    more = page.more;
  }
}

/** Whether there is budget for another page; keeps the lease. @throws when another run has taken over */
async function mayGoOn(run: Run): Promise<boolean> {
  run.pages++;
  if (run.pages > MAX_PAGES || Date.now() > run.report.startedAt + MAX_DURATION) return false;
  if (run.dry) return true;
  if (await renewLease(run.env.DB, run.report.id, Date.now() + LEASE, run.cursors)) return true;
  throw new Error("the lease has expired, and another run has taken over");
}

function record(report: CollectionReport, kind: Kind, taken: Taken[]): void {
  for (const one of taken) {
    report.taken[kind].count++;
    report.taken[kind].bytes += one.bytes;
    if (report.entries.length < MAX_ENTRIES) report.entries.push({ kind, ...one });
  }
}
