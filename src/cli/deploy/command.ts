/**
 * `berth deploy`: from an account to a registry that one can log in to, and from one version to the next. Each step
 * can be repeated, so whatever fails, the command is run again.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import type { Deployment } from "../cloudflare/deployment.ts";
import { describe, Failure } from "../failure.ts";
import { type OutputOptions, print, withJson } from "../output.ts";
import { makeTemporaryFolder } from "../temporary-folder.ts";
import { assertCheckout, showWrangler } from "../wrangler.ts";
import { type Administrator, ensureAdministrator } from "./first-administrator.ts";
import { adviceOn, checkAccount, domainsOf } from "./preflight.ts";

const HELP = `
Creates what the account lacks (bucket, database, namespace), applies the
migrations before new code serves, makes the first administrator where there is
no user, and prints the docker login line. Can be repeated at any time.

Its password is BERTH_ADMIN_PASSWORD where that is set. Where it is not, one is
made and shown, but only on a terminal: what a build prints is kept.

Whatever follows -- goes to wrangler deploy. With --json what wrangler says goes
to standard error, and at the end comes one line: where the registry serves, and
the administrator that was made, if any.

Examples:
  $ berth deploy
  $ berth deploy -- --domain registry.example.com

Exit codes: 0 deployed, 1 something is missing or wrangler failed: run it again,
what was done stays.
`;

export function deployCommand(): Command {
  return withJson(new Command("deploy"))
    .description("Deploys the registry to Cloudflare, and applies the migrations of its database.")
    .argument("[arguments...]", "for wrangler deploy")
    .allowUnknownOption()
    .addHelpText("after", HELP)
    .action(deploy);
}

async function deploy(args: string[], options: OutputOptions): Promise<void> {
  assertCheckout();
  const step = stepping(options.json ? "stderr" : "stdout");
  const deployment = await checkAccount();
  const domains = domainsOf(deployment.configuration.routes, args);
  if (domains.length === 0) {
    console.error(
      "No domain is set, so the registry answers on workers.dev alone: routes in wrangler.toml gives it its own.",
    );
  }
  // New code must not meet the old schema; but wrangler creates a database with the first deploy that binds it.
  const bindings = deployment.configuration.databases.map(({ binding }) => binding);
  const there = await Promise.all(bindings.map((binding) => hasDatabase(deployment, binding)));
  const env = { CLOUDFLARE_ACCOUNT_ID: deployment.account };
  // On a terminal wrangler would ask whether to migrate: who deploys has said so.
  const unasked = { ...env, CI: "true" };
  const migrate = async (wanted: boolean) => {
    for (const [index, binding] of bindings.entries())
      if (there[index] === wanted) await step(["d1", "migrations", "apply", binding, "--remote"], unasked);
  };
  await migrate(true);
  const targets = await upload(step, args, env);
  await migrate(false);
  deployment.lookAgain();
  const administrator = await ensureAdministrator();
  const host = domains[0] ?? hostOf(targets);
  const url = host === null ? null : `https://${host}`;
  print(options, greeting(host, domains.length > 0, administrator), { url, administrator });
}

/** Runs wrangler. @throws Failure */
type Step = (args: string[], env: Record<string, string>) => Promise<void>;

/** @param where wrangler's output goes */
function stepping(where: "stdout" | "stderr"): Step {
  return async (args, env) => {
    const { code, said } = await showWrangler(args, env, where);
    if (code === 0) return;
    throw new Failure(adviceOn(said) ?? `wrangler ${args.slice(0, 3).join(" ")} failed. Run it again.`);
  };
}

/** @returns where the Worker answers, as wrangler says it. @throws Failure */
async function upload(step: Step, args: string[], env: Record<string, string>): Promise<string[]> {
  using folder = await makeTemporaryFolder("berth-deploy-");
  const report = join(folder.path, "wrangler.ndjson");
  await step(["deploy", ...args], { ...env, WRANGLER_OUTPUT_FILE_PATH: report });
  const lines = (await readFile(report, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  const entries = lines.map((line) => JSON.parse(line) as { type: string; targets?: string[] });
  return entries.findLast(({ type }) => type === "deploy")?.targets ?? [];
}

/** @throws Failure when that cannot be told */
async function hasDatabase(deployment: Deployment, binding: string): Promise<boolean> {
  try {
    return (await deployment.database(binding)) !== null;
  } catch (error) {
    throw new Failure(
      `Nobody can tell whether the database ${binding} exists: ${describe(error)}. Run it again.`,
    );
  }
}

/** Of a target like "https://berth.team.workers.dev"; others are routes and schedules. Null where there is none. */
function hostOf(targets: string[]): string | null {
  const address = targets.find((target) => /^https:\/\/\S+$/.test(target));
  return address === undefined ? null : new URL(address).host;
}

/** For people. @param host null where that is not known. @param own whether it is of a domain of their own */
function greeting(host: string | null, own: boolean, administrator: Administrator): string {
  const name = host ?? "registry.example.com";
  const wait = own ? "; a new domain's certificate takes a few minutes" : "";
  const shown = administrator.kind === "made" && administrator.password !== null;
  const once = shown ? " This password is shown only once." : "";
  return `\nBerth serves on ${name}${wait}.${once}\n\n${loginLine(name, administrator)}\n`;
}

function loginLine(host: string, administrator: Administrator): string {
  if (administrator.kind === "there")
    return `  docker login ${host}          more users: npm run user -- add NAME --remote`;
  if (administrator.kind === "made") {
    const { user, password } = administrator;
    return `  docker login -u ${user}${password === null ? "" : ` -p ${password}`} ${host}`;
  }
  return `Nobody can log in yet: this output may be kept as a log, so it has no password. Make the first administrator
where you are logged in to Cloudflare, in a checkout:

  npm run user -- add admin --admin --remote

or set BERTH_ADMIN_PASSWORD for this build, as a secret, and deploy again.`;
}
