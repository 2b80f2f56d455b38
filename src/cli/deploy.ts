/** `berth deploy`: the migrations before the Worker that needs them; at the very first deploy, after it. */

import { Command } from "commander";
import { Failure } from "./failure.ts";
import { assertCheckout, runWrangler, showWrangler } from "./wrangler.ts";

const HELP = `
Whatever follows -- goes to wrangler deploy.

Exit codes: 0 deployed, 1 wrangler failed: run it again, what was done stays.
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
  // New code must not meet the old schema; but wrangler creates the database with the first deploy.
  const first = !(await hasDatabase());
  const steps = first ? [["deploy", ...args], MIGRATIONS] : [MIGRATIONS, ["deploy", ...args]];
  for (const step of steps) {
    const code = await showWrangler(step);
    if (code !== 0) throw new Failure(`wrangler ${step.slice(0, 3).join(" ")} failed. Run it again.`);
  }
}

/** @throws Failure when that cannot be told */
async function hasDatabase(): Promise<boolean> {
  try {
    await runWrangler(["d1", "migrations", "list", "DB", "--remote"]);
    return true;
  } catch (error) {
    const { message } = error as Error;
    if (message.includes("Couldn't find a D1 DB named")) return false;
    throw new Failure(`wrangler cannot tell whether the database exists: ${message}`);
  }
}
