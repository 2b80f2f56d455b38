/** `berth gc`: collects garbage now, or says what a collection would take, and prints the report. */

import process from "node:process";
import { Command } from "commander";
import { type AdminOptions, withApi, withRegistry } from "./admin/api.ts";
import { EXIT } from "./failure.ts";
import { formatSize } from "./size.ts";

const HELP = `
Credentials of an administrator come from docker login, or from --username and
--password-stdin.

Examples:
  $ berth gc --dry-run
  $ berth gc --registry https://registry.example.com
  $ berth gc --list

Exit codes: 0 collected, 1 the registry failed or refused, 2 wrong arguments.
`;

interface Options extends AdminOptions {
  dryRun?: boolean;
  list?: boolean;
  json?: boolean;
  force?: boolean;
  adopt?: boolean;
}

/** What the registry answers; see CollectionReport in gc.ts. */
interface Report {
  /** Which database's garbage it was. */
  collected?: string;
  /** All there are: each has collections of its own. */
  databases?: string[];
  startedAt: number;
  duration: number;
  dryRun: boolean;
  outcome: string;
  error: string | null;
  taken: Record<string, { count: number; bytes: number }>;
  unfinished: string[];
  objectsDeleted: number;
  /** Bytes that are deleted already, and kept for a while. */
  waiting?: { count: number; bytes: number };
  /** How large the database is, and may become, in bytes, and whether that is nearly the same. */
  database?: { bytes: number; limit: number; nearlyFull?: boolean } | null;
  /** Steps that failed, while the others went on. */
  failures?: { step: string; error: string }[];
  entries: { kind: string; repository: string | null; digest: string | null; bytes: number }[];
}

const SINGULAR: Readonly<Record<string, string>> = {
  manifests: "manifest",
  links: "link",
  blobs: "blob",
  orphans: "orphan",
  repositories: "repository",
};

export function gcCommand(): Command {
  return withRegistry(new Command("gc"))
    .description("Collects garbage in a Berth registry, while it is in use.")
    .option("--dry-run", "only say what would be taken")
    .option("--force", "take it even when suspiciously much of the bucket has no row in the database")
    .option("--adopt", "take the bucket for this database's own, when it bears another one's mark")
    .option("--list", "only list the last runs")
    .option("--json", "the report as JSON, or a line of it for each run")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  await withApi(options, async (api) => {
    if (options.list) {
      const { runs } = (await api.call("GET", "gc")) as { runs: Report[] };
      for (const report of runs) {
        if (options.json) console.log(JSON.stringify(report));
        else printLine(report);
      }
      if (runs.length === 0) console.error("Nothing was collected yet.");
      return;
    }
    const collect = async (database?: string) => {
      const query = { ...queryOf(options), ...(database && { database }) };
      const report = (await api.call("POST", "gc", { query })) as Report;
      if (options.json) console.log(JSON.stringify(report));
      else print(report);
      const failed = report.outcome === "failed" || (report.failures ?? []).length > 0;
      if (failed) process.exitCode = EXIT.registry;
      return report;
    };
    const { collected, databases = [] } = await collect();
    for (const database of databases) if (database !== collected) await collect(database);
  });
}

function queryOf({ dryRun, force, adopt }: Options): Record<string, string> {
  return {
    ...(dryRun && { "dry-run": "true" }),
    ...(force && { force: "true" }),
    ...(adopt && { adopt: "true" }),
  };
}

function print(report: Report): void {
  for (const { kind, repository, digest, bytes } of report.entries) {
    const size = bytes > 0 ? formatSize(bytes) : "";
    console.log(
      [(SINGULAR[kind] ?? kind).padEnd(10), digest ?? "", repository ?? "", size].join("  ").trimEnd(),
    );
  }
  const named = Object.values(report.taken).reduce((sum, { count }) => sum + count, 0);
  if (named > report.entries.length) console.log(`… and ${named - report.entries.length} more`);
  console.log();
  console.log(report.dryRun ? "would be taken    count      bytes" : "taken             count      bytes");
  for (const [kind, { count, bytes }] of Object.entries(report.taken)) {
    console.log(`  ${kind.padEnd(12)} ${String(count).padStart(8)} ${formatSize(bytes).padStart(10)}`);
  }
  const { waiting, failures = [] } = report;
  if (waiting !== undefined) {
    console.log(`waiting  ${countOf(waiting.count, "object")}  ${formatSize(waiting.bytes)}`);
  }
  console.log();
  for (const { step, error } of failures) console.log(`failed: ${step}: ${error}`);
  printLine(report);
}

function printLine(report: Report): void {
  const bytes = Object.values(report.taken).reduce((sum, taken) => sum + taken.bytes, 0);
  const what = report.dryRun ? "would free" : `${report.objectsDeleted} objects deleted, freed`;
  const why = report.error === null ? "" : `: ${report.error}`;
  const seconds = (report.duration / 1000).toFixed(1);
  const where = (report.databases ?? []).length > 1 ? `${report.collected}: ` : "";
  console.log(
    `${new Date(report.startedAt).toISOString()}  ${where}${report.outcome} in ${seconds} s, ${what} ${formatSize(bytes)}${why}`,
  );
  if (report.unfinished.length > 0) {
    console.log(`There may be more: ${report.unfinished.join(", ")}. The next run goes on there.`);
  }
  if (!report.database?.nearlyFull) return;
  const { bytes: size, limit } = report.database;
  console.log(
    `The database is nearly full: ${formatSize(size)} of ${formatSize(limit)}. Once it is full, pushes are refused.`,
  );
}

function countOf(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
