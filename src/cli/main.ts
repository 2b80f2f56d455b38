/** The `berth` program: its commands, and how it ends. */

import process from "node:process";
import { Command, CommanderError } from "commander";
import { describe, EXIT, Failure } from "./failure.ts";
import { relayCommand } from "./relay/command.ts";

const program = new Command("berth")
  .description("Programs for a Berth registry, run on the user's machine.")
  .showHelpAfterError("(--help explains)")
  .addCommand(relayCommand());

for (const command of [program, ...program.commands]) command.exitOverride().configureHelp({ helpWidth: 80 });

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** @returns the exit code */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.input;
  console.error(`berth: ${describe(error)}`);
  return error instanceof Failure ? error.exitCode : EXIT.registry;
}
