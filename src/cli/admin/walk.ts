/** What the registry does page by page, for as long as it takes: scrub, and moving to another store. */

import process from "node:process";
import { EXIT, Failure } from "../failure.ts";
import { Patience, UPLOAD_PAUSES } from "../http/retry.ts";
import { exitCodeOf, onSignals } from "../signals.ts";
import { AdminApi, type AdminOptions } from "./api.ts";
import { Findings, type Page } from "./findings.ts";
import { Ticker } from "./ticker.ts";

export interface WalkOptions extends AdminOptions {
  after?: string;
  json?: boolean;
}

export interface Walk<P extends Page> {
  /** Below /v2/_berth/. */
  path: string;
  query?: Record<string, string>;
  /** Takes in what the page says besides its findings. */
  add?(page: P): void;
  /** How far it has come, for a line that is written over. */
  progress(findings: Findings): string;
  /** What it has done, at its end or where it was interrupted. */
  document(findings: Findings): object;
  summary(findings: Findings): string;
  /** How to go on from a page that was not reached. */
  goOn(next: string): string;
  /** What is to be said once all pages are through, beside JSON on stderr. @returns whether all is well */
  last?(): { text: string; well: boolean };
}

/**
 * Goes through all pages, from `after` on, and tells what they find. Interrupted, it tells how to go on.
 * Exit code 1 when something was found that is not well.
 * @throws Failure
 */
export async function walkPages<P extends Page>(options: WalkOptions, walk: Walk<P>): Promise<void> {
  const api = await AdminApi.open(options);
  const ticker = new Ticker(process.stderr);
  const findings = new Findings();
  let after = options.after ?? null;

  const end = (next: string | null): void => {
    ticker.clear();
    if (options.json) console.log(JSON.stringify({ ...walk.document(findings), next }));
    else console.log(walk.summary(findings));
    if (next !== null) console.error(walk.goOn(next));
  };
  onSignals((signal) => {
    end(after);
    process.exit(exitCodeOf(signal));
  });

  try {
    do {
      const page = await readPage(api, after, walk, ticker);
      walk.add?.(page);
      ticker.clear();
      const lines = findings.add(page, options.json === true);
      if (!options.json) for (const line of lines) console.log(line);
      if (page.next !== null && page.next === after)
        throw new Failure("The registry does not get any further.");
      after = page.next;
      ticker.tick(`${page.phase}: ${walk.progress(findings)}`);
    } while (after !== null);
  } catch (error) {
    // Of nothing there is nothing to tell: a program would take it for all that is there.
    if (after !== null) end(after);
    throw error;
  } finally {
    api.close();
  }
  end(null);
  const last = walk.last?.() ?? null;
  if (last !== null) (options.json ? console.error : console.log)(last.text);
  if (!findings.isWell || last?.well === false) process.exitCode = EXIT.registry;
}

async function readPage<P extends Page>(
  api: AdminApi,
  after: string | null,
  { path, query }: Walk<P>,
  ticker: Ticker,
): Promise<P> {
  const patience = new Patience(UPLOAD_PAUSES, (pause, reason) => {
    ticker.log(`${reason}; trying again in ${pause / 1000} s`);
  });
  const asked = { ...(after !== null && { after }), ...query };
  return (await api.call("POST", path, { query: asked, patience })) as P;
}
