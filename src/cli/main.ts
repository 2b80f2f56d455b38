/** The `berth` program: its commands, and how it ends. */

import process from "node:process";
import { Command, CommanderError } from "commander";
import { describe, EXIT, Failure } from "./failure.ts";
import { pushCommand } from "./push/command.ts";
import { relayCommand } from "./relay/command.ts";

const program = new Command("berth")
  .description("Programs for a Berth registry, run on the user's machine.")
  .addCommand(relayCommand())
  .addCommand(pushCommand());

for (const command of [program, ...program.commands]) {
  command.exitOverride().configureHelp({ helpWidth: 80 }).showHelpAfterError("(--help explains)");
}

try {
  await program.parseAsync();
} catch (error) {
  // What else is under way would go on trying.
  process.exit(report(error));
}

/** @returns the exit code */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.input;
  console.error(`berth: ${describe(error)}`);
  return error instanceof Failure ? error.exitCode : EXIT.registry;
}
