/**
 * Garbage collection: what nothing needs goes, a page at a time, while people push. Every statement that takes
 * something decides for itself that nothing needs it, so a run can stop anywhere, and the next one takes what is
 * left.
 */

import { readSettings, type Settings } from "../config.ts";
import { log } from "../log.ts";
import type { Actor } from "../storage/audit.ts";
import { blobsBefore, emptyRepositories, foreseeLinks, linksBefore } from "../storage/garbage/blobs.ts";
import { eventsBefore } from "../storage/garbage/events.ts";
import { checkIdentity } from "../storage/garbage/identity.ts";
import { unwantedManifests } from "../storage/garbage/manifests.ts";
import { countWaiting, doomedBefore, forgetRecords, orphansBefore } from "../storage/garbage/objects.ts";
import { acquireLease, finishRun, type Orders, readLastRun } from "../storage/garbage/runs.ts";
import { allStores, openStores, type Stores } from "../storage/stores.ts";
import {
  addFailure,
  addTaken,
  addUnfinished,
  type CollectionReport,
  newReport,
  noteSize,
  type Step,
} from "./report.ts";
import { LEASE, type Plan, type Run, runStep } from "./step.ts";

/** Rows a page. */
const PAGE = 500;

/** Objects are listed and deleted this many at once. */
const OBJECTS_PAGE = 1000;

/** Events are deleted this many at once. */
const EVENTS_PAGE = 2000;

/** A dry run lists at most this much of a kind. */
const DRY_PAGE = 10_000;

/** Of a step. A cron run has 15 minutes, and a last page may take a while. Milliseconds. */
const MAX_DURATION = 40_000;

/** Pages a step, and of the walk through all objects: four runs a day pass 5 million objects within a week. */
const MAX_PAGES = 50;
const WALK = { limit: OBJECTS_PAGE, maxCalls: 200, maxDuration: 120_000, resumes: true };

export interface CollectionOptions {
  /** Only says what a run would take now, changing nothing: not even a record of itself. */
  dryRun: boolean;
  /** Takes orphans however many there are. */
  force?: boolean;
  /** Makes the bucket this database's, see storage/garbage/identity.ts. */
  adopt?: boolean;
  /** Cron where absent. */
  by?: Actor;
  /** The binding of the database whose garbage goes. Where absent, the one whose last collection is the oldest. */
  database?: string;
}

/** Cron has no request, and a run is one event by its own id. */
const CRON = { name: "cron", credential: null, address: null, userAgent: null };

/** @returns what was done; null when another run is under way, and from cron while the registry is read-only */
export async function collectGarbage(
  env: Env,
  { dryRun, force = false, adopt = false, by, database }: CollectionOptions,
): Promise<CollectionReport | null> {
  // A setting that makes no sense fails before the lease is taken.
  const settings = readSettings(env);
  if (settings.readOnly !== null && by === undefined && !dryRun) {
    log("garbage-collection-waits", { readOnly: settings.readOnly });
    return null;
  }
  const stores = await choose(env, settings.databaseLimit, database);
  const report = newReport(stores.name, dryRun);
  const leasedAt = Date.now();
  const cursors = dryRun ? {} : await acquireLease(stores.db, report.id, leasedAt, leasedAt + LEASE);
  if (cursors === null) return null;
  const run: Run = { stores, dry: dryRun, report, cursors, leasedAt };
  try {
    await checkIdentity(stores, { adopt, dry: dryRun });
    await takeEverything(run, settings, force);
    report.waiting = await countWaiting(stores.db);
    noteSize(report, stores.db.size, settings.databaseLimit);
    if (report.database?.nearlyFull) log("database-nearly-full", { ...report.database }, "warn");
    if (report.outcome === "complete" && report.unfinished.length > 0) report.outcome = "stopped";
  } catch (error) {
    addFailure(report, "run", error);
  }
  report.duration = Date.now() - report.startedAt;
  if (!dryRun) await recordRun(run, { ...(by ?? CRON), request: report.id }, { force, adopt });
  const { entries, ...summary } = report;
  log("garbage-collection", summary, report.outcome === "failed" ? "error" : "info");
  return report;
}

/** D1 lets one invocation ask 1,000 times: each run is one database's. @throws Unavailable */
async function choose(env: Env, limit: number, database: string | undefined): Promise<Stores> {
  if (database !== undefined) return openStores(env, database, limit);
  const all = await Promise.all(
    allStores(env, limit).map(async (stores, _, { length }) => {
      const last = length === 1 ? null : await readLastRun(stores.db);
      return { stores, last: last ?? 0 };
    }),
  );
  return all.reduce((oldest, one) => (one.last < oldest.last ? one : oldest)).stores;
}

/** Without the record, the lease ends by itself. */
async function recordRun({ stores, report, cursors }: Run, by: Actor, orders: Orders): Promise<void> {
  try {
    await finishRun(stores.db, report, cursors, by, orders);
  } catch (error) {
    addFailure(report, "run", new Error("the run could not be recorded", { cause: error }));
  }
}

async function takeEverything(run: Run, settings: Settings, force: boolean): Promise<void> {
  const { stores, dry } = run;
  const { db } = stores;
  const now = Date.now();
  const cut = now - settings.gracePeriod;
  const orphanCut = now - settings.orphanAge;
  const plan = (step: Plan["step"], garbage: Plan["garbage"], maxCalls: number): Plan => {
    return {
      step,
      garbage,
      limit: dry ? DRY_PAGE : PAGE,
      maxCalls: dry ? 1 : maxCalls,
      maxDuration: MAX_DURATION,
    };
  };

  // 1. The bytes of what was taken before, and has waited: nothing that fails later keeps them.
  if (!dry) {
    const { uploadExpiry } = settings;
    await attempt(run, "objects", () => forgetRecords(db, now, { pending: orphanCut, uploadExpiry }));
    const doomed = doomedBefore(stores, now - settings.deletedBytesKept);
    await runStep(run, { ...plan("objects", doomed, MAX_PAGES), limit: OBJECTS_PAGE });
  }
  // 2. Manifests that the policy gives up.
  await takeUnwanted(run, plan, settings, now, cut);
  // 3. Links that no manifest uses, then 4. blobs that no repository sees.
  if (dry) await addForeseen(run, cut);
  else await runStep(run, plan("links", linksBefore(db, cut), MAX_PAGES));
  await runStep(run, plan("blobs", blobsBefore(db, cut), MAX_PAGES));
  // 5. Objects that no row names. The walk goes through all objects, and goes on in the next run.
  const orphans = orphansBefore(stores, orphanCut, force);
  await runStep(run, { step: "orphans", garbage: orphans, ...WALK });
  // 6. Repositories that hold nothing.
  await runStep(run, plan("repositories", emptyRepositories(db), 40));
  // 7. What the audit trail has kept for long enough.
  if (dry || settings.auditKept === null) return;
  const events = eventsBefore(db, now - settings.auditKept);
  await runStep(run, { ...plan("events", events, 12), limit: EVENTS_PAGE });
}

async function takeUnwanted(
  run: Run,
  plan: (step: "manifests", garbage: Plan["garbage"], maxCalls: number) => Plan,
  settings: Settings,
  now: number,
  cut: number,
): Promise<void> {
  const policy = {
    untaggedBefore: settings.untaggedManifests === null ? null : now - settings.untaggedManifests,
    referrersBefore: settings.deleteDanglingReferrers ? cut : null,
  };
  if (policy.untaggedBefore === null && policy.referrersBefore === null) return;
  await runStep(run, plan("manifests", unwantedManifests(run.stores.db, policy), MAX_PAGES));
}

/** A dry run takes no links, so what they hold on to is looked for with them. */
async function addForeseen(run: Run, cut: number): Promise<void> {
  const { stores, report } = run;
  let more = true;
  await attempt(run, "links", async () => {
    const foreseen = await foreseeLinks(stores.db, cut, DRY_PAGE);
    addTaken(report, "links", foreseen.links);
    addTaken(report, "blobs", foreseen.blobs);
    more = foreseen.more;
  });
  if (more) for (const step of ["links", "blobs"] as const) addUnfinished(report, step);
}

async function attempt(run: Run, step: Step, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    addFailure(run.report, step, error);
  }
}
