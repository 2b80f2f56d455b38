/** `berth migrate-store`: has the registry copy what it keeps from one store to another, page after page. */

import process from "node:process";
import { Command } from "commander";
import { AdminApi, type AdminOptions, withRegistry } from "./admin/api.ts";
import { Findings, type Page } from "./admin/findings.ts";
import { Ticker } from "./admin/ticker.ts";
import { EXIT, Failure } from "./failure.ts";
import { Patience, UPLOAD_PAUSES } from "./http/retry.ts";
import { exitCodeOf, onSignals } from "./signals.ts";
import { formatSize } from "./size.ts";

const HELP = `
Set STORE to the new store and STORE_FALLBACK to the old one, deploy, and run
this: docs/stores.md. People can go on pushing and pulling. Every object is
verified on the way, and the old store keeps its own. It can be run again: what
is there is not copied twice. Interrupted, it says how to go on.

Examples:
  $ berth migrate-store
  $ berth migrate-store --registry https://registry.example.com

Exit codes: 0 nothing is left to move; 1 something is wrong or missing in the
old store, or the registry failed; 2 wrong arguments; 130 interrupted.
`;

const LEFT = `Nothing that images need is left in the old store. Uploads that began before
STORE was set may still end there: once UPLOAD_EXPIRY (a day) has passed since
then, run this again, and when it moves nothing take STORE_FALLBACK away.`;

interface Options extends AdminOptions {
  after?: string;
  json?: boolean;
}

interface MovePage extends Page {
  /** How many objects the page has copied. */
  moved: number;
}

export function migrateStoreCommand(): Command {
  return withRegistry(new Command("migrate-store"))
    .description("Copies what a Berth registry keeps from one object store to another.")
    .option("--after <cursor>", "go on from where an earlier one ended")
    .option("--json", "print one JSON document at the end")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const api = await AdminApi.open(options);
  const ticker = new Ticker(process.stderr);
  const findings = new Findings();
  let after = options.after ?? null;
  let moved = 0;

  const end = (next: string | null): void => {
    ticker.clear();
    if (options.json) console.log(JSON.stringify({ moved, ...findings.document, next }));
    else console.log(`${moved} moved. ${findings.summary}`);
    if (next !== null)
      console.error(`Go on with --after ${next}, or from the beginning: nothing is copied twice.`);
  };
  onSignals((signal) => {
    end(after);
    process.exit(exitCodeOf(signal));
  });

  try {
    do {
      const page = await readPage(api, after, ticker);
      moved += page.moved;
      ticker.clear();
      const lines = findings.add(page, options.json === true);
      if (!options.json) for (const line of lines) console.log(line);
      if (page.next !== null && page.next === after)
        throw new Failure("The registry does not get any further.");
      after = page.next;
      ticker.tick(
        `${page.phase}: ${findings.checked} looked at, ${moved} moved, ${formatSize(findings.bytes)}`,
      );
    } while (after !== null);
  } catch (error) {
    end(after);
    throw error;
  } finally {
    api.close();
  }
  end(null);
  if (!options.json) console.log(LEFT);
  if (!findings.isWell) process.exitCode = EXIT.registry;
}

async function readPage(api: AdminApi, after: string | null, ticker: Ticker): Promise<MovePage> {
  const query = after === null ? {} : { after };
  const patience = new Patience(UPLOAD_PAUSES, (pause, reason) => {
    ticker.log(`${reason}; trying again in ${pause / 1000} s`);
  });
  return (await api.call("POST", "migrate-store", { query, patience })) as MovePage;
}
