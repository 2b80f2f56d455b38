/**
 * One step of a collection: the pages of one kind of garbage. A step has a budget of its own, and its failure is its
 * own: a page that fails is halved until what fails stands alone, and the rest is taken.
 */

import { TooManyOrphans } from "../storage/garbage/objects.ts";
import type { Candidate, Garbage } from "../storage/garbage/page.ts";
import { type Cursors, renewLease } from "../storage/garbage/runs.ts";
import type { Stores } from "../storage/stores.ts";
import {
  addFailure,
  addTaken,
  addUnfinished,
  type CollectionReport,
  type Kind,
  type Upkeep,
} from "./report.ts";

/** A run that has died is overtaken after this. Milliseconds. */
export const LEASE = 2 * 60_000;

/** How old the lease gets before it is prolonged: D1 allows 1,000 queries an invocation. Milliseconds. */
const RENEWED_AFTER = 20_000;

export interface Run {
  stores: Stores;
  dry: boolean;
  report: CollectionReport;
  cursors: Cursors;
  /** When the lease was taken, or prolonged. Milliseconds since the epoch. */
  leasedAt: number;
}

export interface Plan {
  step: Kind | Upkeep;
  garbage: Garbage;
  /** Candidates a page. */
  limit: number;
  /** How often a page is found, or a part of one taken: two queries at most. D1 allows 1,000 an invocation. */
  maxCalls: number;
  /** Milliseconds. */
  maxDuration: number;
  /** Whether the next run goes on where this one stopped; otherwise what was taken is gone, and it begins anew. */
  resumes?: boolean;
}

/** Another run has taken over: this one must take nothing more. */
class LeaseLost extends Error {
  override name = "LeaseLost";
  override message = "the lease has expired, and another run has taken over";
}

/** @throws LeaseLost. Every other failure is in the report. */
export async function runStep(run: Run, plan: Plan): Promise<void> {
  await new StepRun(run, plan).walk();
}

class StepRun {
  readonly #run: Run;
  readonly #plan: Plan;
  readonly #deadline: number;
  #calls = 0;
  #limit: number;
  /** Why the last page could not be found; null when it could. */
  #failing: unknown = null;

  constructor(run: Run, plan: Plan) {
    this.#run = run;
    this.#plan = plan;
    this.#deadline = Date.now() + plan.maxDuration;
    this.#limit = plan.limit;
  }

  async walk(): Promise<void> {
    const { cursors, report } = this.#run;
    const { step, resumes } = this.#plan;
    let after = (resumes && cursors[step]) || null;
    while (await this.#mayGoOn()) {
      const page = await this.#page(after);
      if (page === "failed") break;
      if (page === "smaller") continue;
      this.#failing = null;
      after = page.next;
      if (after === null) delete cursors[step];
      else if (resumes) cursors[step] = after;
      if (after === null) return;
    }
    if (this.#failing !== null) addFailure(report, step, this.#failing);
    addUnfinished(report, step);
  }

  /** @returns where the next page begins, null behind the last one; "smaller" when it is to be tried again as such */
  async #page(after: string | null): Promise<{ next: string | null } | "smaller" | "failed"> {
    const { dry, report } = this.#run;
    const { step, garbage } = this.#plan;
    try {
      const page = await garbage.find(after, this.#limit);
      if (dry) addTaken(report, step, page.candidates);
      else await this.#take(page.candidates);
      return { next: page.next };
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      if (error instanceof TooManyOrphans) {
        // Of this page nothing is taken; others may be as they should.
        addFailure(report, step, error);
        return { next: error.next };
      }
      this.#failing = error;
      if (this.#limit === 1) return "failed";
      this.#limit = Math.ceil(this.#limit / 2);
      return "smaller";
    }
  }

  /** Takes all that can be taken. What cannot is in the report. */
  async #take(candidates: Candidate[]): Promise<void> {
    if (candidates.length === 0) return;
    const { report } = this.#run;
    const { step, garbage } = this.#plan;
    try {
      const rows = await garbage.take(candidates);
      const taken = candidates.filter((candidate) => rows.has(candidate));
      addTaken(report, step, taken);
    } catch (error) {
      if (candidates.length === 1) return addFailure(report, step, error);
      const half = Math.ceil(candidates.length / 2);
      for (const part of [candidates.slice(0, half), candidates.slice(half)]) {
        if (await this.#mayGoOn()) await this.#take(part);
        else return addFailure(report, step, error);
      }
    }
  }

  /** Whether there is budget for another call; keeps the lease. @throws LeaseLost */
  async #mayGoOn(): Promise<boolean> {
    const { stores, dry, report, cursors, leasedAt } = this.#run;
    this.#calls++;
    if (this.#calls > this.#plan.maxCalls || Date.now() > this.#deadline) return false;
    if (dry || Date.now() < leasedAt + RENEWED_AFTER) return true;
    const now = Date.now();
    if (!(await renewLease(stores.db, report.id, now + LEASE, cursors))) throw new LeaseLost();
    this.#run.leasedAt = now;
    return true;
  }
}
