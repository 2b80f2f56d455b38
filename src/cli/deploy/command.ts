/**
 * `berth deploy`: from an account to a registry that one can log in to, and from one version to the next. Each step
 * can be repeated, so whatever fails, the command is run again.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import type { Deployment } from "../cloudflare/deployment.ts";
import { describe, Failure } from "../failure.ts";
import { makeTemporaryFolder } from "../temporary-folder.ts";
import { assertCheckout, showWrangler } from "../wrangler.ts";
import { ensureAdministrator } from "./first-administrator.ts";
import { adviceOn, checkAccount, domainsOf } from "./preflight.ts";

const HELP = `
Creates what the account lacks (bucket, database, namespace), applies the
migrations before new code serves, makes the first administrator where there is
no user, and prints the docker login line. Can be repeated at any time.

Whatever follows -- goes to wrangler deploy.

Examples:
  $ berth deploy
  $ berth deploy -- --domain registry.example.com

Exit codes: 0 deployed, 1 something is missing or wrangler failed: run it again,
what was done stays.
`;

const MIGRATIONS = ["d1", "migrations", "apply", "DB", "--remote"];

export function deployCommand(): Command {
  return new Command("deploy")
    .description("Deploys the registry to Cloudflare, and applies the migrations of its database.")
    .argument("[arguments...]", "for wrangler deploy")
    .allowUnknownOption()
    .addHelpText("after", HELP)
    .action(deploy);
}

async function deploy(args: string[]): Promise<void> {
  assertCheckout();
  const deployment = await checkAccount();
  const domains = domainsOf(deployment.configuration.routes, args);
  if (domains.length === 0) {
    console.error(
      "No domain is set, so the registry answers on workers.dev alone: routes in wrangler.toml gives it its own.",
    );
  }
  // New code must not meet the old schema; but wrangler creates the database with the first deploy.
  const first = !(await hasDatabase(deployment));
  const env = { CLOUDFLARE_ACCOUNT_ID: deployment.account };
  if (!first) await step(MIGRATIONS, env);
  const targets = await upload(args, env);
  if (first) await step(MIGRATIONS, env);
  deployment.lookAgain();
  greet(domains[0] ?? hostOf(targets), await ensureAdministrator());
}

/** @throws Failure */
async function step(args: string[], env: Record<string, string>): Promise<void> {
  const { code, said } = await showWrangler(args, env);
  if (code === 0) return;
  throw new Failure(adviceOn(said) ?? `wrangler ${args.slice(0, 3).join(" ")} failed. Run it again.`);
}

/** @returns where the Worker answers, as wrangler says it. @throws Failure */
async function upload(args: string[], env: Record<string, string>): Promise<string[]> {
  using folder = await makeTemporaryFolder("berth-deploy-");
  const report = join(folder.path, "wrangler.ndjson");
  await step(["deploy", ...args], { ...env, WRANGLER_OUTPUT_FILE_PATH: report });
  const lines = (await readFile(report, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  const entries = lines.map((line) => JSON.parse(line) as { type: string; targets?: string[] });
  return entries.findLast(({ type }) => type === "deploy")?.targets ?? [];
}

/** @throws Failure when that cannot be told */
async function hasDatabase(deployment: Deployment): Promise<boolean> {
  try {
    return (await deployment.database()) !== null;
  } catch (error) {
    throw new Failure(`Nobody can tell whether the database exists: ${describe(error)}. Run it again.`);
  }
}

/** Of a target like "https://berth.team.workers.dev"; others are routes and schedules. */
function hostOf(targets: string[]): string {
  const address = targets.find((target) => /^https:\/\/\S+$/.test(target));
  return address === undefined ? "registry.example.com" : new URL(address).host;
}

function greet(host: string, first: { user: string; password: string } | null): void {
  const login =
    first === null
      ? `  docker login ${host}          more users: npm run user -- add NAME --remote`
      : `  docker login -u ${first.user} -p ${first.password} ${host}`;
  const shown = first === null ? "" : " This password is shown only once.";
  console.log(
    `\nBerth serves on ${host}; a new domain's certificate takes a few minutes.${shown}\n\n${login}\n`,
  );
}
