/** `berth scrub`: has the registry read everything that it keeps and compare, page after page. */

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
Every object is read and compared with its digest and size. What a repeat finds
is healed, what differs is put aside, and manifests that lack something are
listed: push those again. Nothing else is changed, and people can go on pushing.

Interrupted, it prints the command that goes on from there.

Examples:
  $ berth scrub
  $ berth scrub --registry https://registry.example.com --json

Exit codes: 0 all is well, or was healed; 1 something is damaged or missing, or
the registry failed; 2 wrong arguments; 130 interrupted.
`;

interface Options extends AdminOptions {
  after?: string;
  rebuild?: boolean;
  json?: boolean;
}

export function scrubCommand(): Command {
  return withRegistry(new Command("scrub"))
    .description("Reads everything that a Berth registry keeps, and heals what can be healed.")
    .option("--after <cursor>", "go on from where an earlier one ended")
    .option("--rebuild", "also look for objects that no row names and some manifest needs")
    .option("--json", "print one JSON document at the end")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const api = await AdminApi.open(options);
  const ticker = new Ticker(process.stderr);
  const findings = new Findings();
  let after = options.after ?? null;

  const end = (next: string | null): void => {
    ticker.clear();
    if (options.json) console.log(JSON.stringify({ ...findings.document, next }));
    else console.log(findings.summary);
    if (next !== null) console.error(`Go on with: ${commandFrom(next, options)}`);
  };
  onSignals((signal) => {
    end(after);
    process.exit(exitCodeOf(signal));
  });

  try {
    do {
      const page = await readPage(api, after, options, ticker);
      ticker.clear();
      const lines = findings.add(page, options.json === true);
      if (!options.json) for (const line of lines) console.log(line);
      if (page.next !== null && page.next === after)
        throw new Failure("The registry does not get any further.");
      after = page.next;
      ticker.tick(`${page.phase}: ${findings.checked} checked, ${formatSize(findings.bytes)}`);
    } while (after !== null);
  } catch (error) {
    end(after);
    throw error;
  } finally {
    api.close();
  }
  end(null);
  if (!findings.isWell) process.exitCode = EXIT.registry;
}

async function readPage(
  api: AdminApi,
  after: string | null,
  { rebuild }: Options,
  ticker: Ticker,
): Promise<Page> {
  const query = { ...(after !== null && { after }), ...(rebuild && { rebuild: "true" }) };
  const patience = new Patience(UPLOAD_PAUSES, (pause, reason) => {
    ticker.log(`${reason}; trying again in ${pause / 1000} s`);
  });
  return (await api.call("POST", "scrub", { query, patience })) as Page;
}

function commandFrom(after: string, options: Options): string {
  const { registry, insecure, username, passwordStdin, rebuild, json } = options;
  const args = [
    ...["--registry", registry],
    ...(insecure ? ["--insecure"] : []),
    ...(username === undefined ? [] : ["--username", username]),
    ...(passwordStdin ? ["--password-stdin"] : []),
    ...(rebuild ? ["--rebuild"] : []),
    ...(json ? ["--json"] : []),
    ...["--after", after],
  ];
  return `npx berth scrub ${args.map(quote).join(" ")}`;
}

/** For a shell. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
