/** `npm run gc`: collects garbage now, or says what a collection would take, and prints the report. */

import process from "node:process";
import { text } from "node:stream/consumers";
import { Command, CommanderError } from "commander";
import { badInput, describe, EXIT, Failure } from "./failure.ts";
import { readDockerCredentials } from "./push/credentials.ts";
import { formatSize } from "./size.ts";

const HELP = `
Credentials of an administrator come from docker login, or from --username and
--password-stdin.

Examples:
  $ npm run gc -- --dry-run
  $ npm run gc -- --registry https://registry.example.com
  $ npm run gc -- --list

Exit codes: 0 collected, 1 the registry failed or refused, 2 wrong arguments.
`;

interface Options {
  registry: string;
  dryRun?: boolean;
  list?: boolean;
  username?: string;
  passwordStdin?: boolean;
}

/** What the registry answers; see CollectionReport in gc.ts. */
interface Report {
  startedAt: number;
  duration: number;
  dryRun: boolean;
  outcome: string;
  error: string | null;
  taken: Record<string, { count: number; bytes: number }>;
  unfinished: string[];
  objectsDeleted: number;
  entries: { kind: string; repository: string | null; digest: string | null; bytes: number }[];
}

const SINGULAR: Readonly<Record<string, string>> = {
  manifests: "manifest",
  links: "link",
  blobs: "blob",
  orphans: "orphan",
  repositories: "repository",
};

const program = new Command("gc")
  .description("Collects garbage in a Berth registry, while it is in use.")
  .option("--registry <url>", "which registry", `http://127.0.0.1:${process.env.PORT ?? 5000}`)
  .option("--dry-run", "only say what would be taken")
  .option("--list", "only list the last runs")
  .option("--username <name>", "who to log in as; wants --password-stdin")
  .option("--password-stdin", "read the password from standard input")
  .addHelpText("after", HELP)
  .exitOverride()
  .action(run);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT.input;
  else {
    console.error(`gc: ${describe(error)}`);
    process.exitCode = error instanceof Failure ? error.exitCode : EXIT.registry;
  }
}

async function run(options: Options): Promise<void> {
  if (!URL.canParse(options.registry)) throw badInput(`${options.registry} is no URL.`);
  const url = new URL("/v2/_berth/gc", options.registry);
  if (options.dryRun) url.searchParams.set("dry-run", "true");
  const authorization = await authorize(url, options);
  const answer = await call(options.list ? "GET" : "POST", url, authorization);
  if (options.list) for (const report of (answer as { runs: Report[] }).runs) printLine(report);
  else print(answer as Report);
  if (!options.list && (answer as Report).outcome === "failed") process.exitCode = EXIT.registry;
}

async function authorize(url: URL, options: Options): Promise<string | null> {
  if (options.username !== undefined) {
    if (!options.passwordStdin) throw badInput("--username wants --password-stdin.");
    return basic(options.username, (await text(process.stdin)).replace(/\r?\n$/, ""));
  }
  const found = await readDockerCredentials(url.host);
  return found?.kind === "password" ? basic(found.user, found.password) : null;
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

async function call(method: string, url: URL, authorization: string | null): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: authorization === null ? {} : { Authorization: authorization },
    });
  } catch (error) {
    throw new Failure(`${url.host} cannot be reached: ${describe((error as Error).cause ?? error)}.`);
  }
  const body = await response.text();
  if (response.ok) return JSON.parse(body);
  if (response.status === 401) {
    throw new Failure(`${url.host} wants an administrator: run docker login ${url.host}, or use --username.`);
  }
  throw new Failure(`${url.host} answered ${response.status}: ${messageOf(body)}.`);
}

function messageOf(body: string): string {
  try {
    return JSON.parse(body).errors[0].message;
  } catch {
    return "it is no Berth registry";
  }
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
  console.log();
  printLine(report);
}

function printLine(report: Report): void {
  const bytes = Object.values(report.taken).reduce((sum, taken) => sum + taken.bytes, 0);
  const what = report.dryRun ? "would free" : `${report.objectsDeleted} objects deleted, freed`;
  const why = report.error === null ? "" : `: ${report.error}`;
  const seconds = (report.duration / 1000).toFixed(1);
  console.log(
    `${new Date(report.startedAt).toISOString()}  ${report.outcome} in ${seconds} s, ${what} ${formatSize(bytes)}${why}`,
  );
  if (report.unfinished.length > 0) {
    console.log(`There may be more: ${report.unfinished.join(", ")}. The next run goes on there.`);
  }
}
