/** The `berth` program. */

import process from "node:process";
import { Command } from "commander";
import about from "../../package.json" with { type: "json" };
import { loadNamed } from "./commands.ts";
import { runProgram } from "./program.ts";

const HELP = `
Commands for a running registry take --registry (default: the one on this
machine) and log in as docker does, or by --username and --password-stdin. Those
that go through Cloudflare's own API take --remote.
`;

const program = new Command("berth")
  .description("A private container registry, and the programs for it.")
  .version(about.version)
  .addHelpText("after", HELP);
for (const command of await loadNamed(process.argv.slice(2))) program.addCommand(command);

await runProgram(program);
