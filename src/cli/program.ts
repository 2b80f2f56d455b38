/** How every program here runs: its arguments are parsed, and it ends with an exit code and at most one line. */

import process from "node:process";
import { type Command, CommanderError } from "commander";
import { describe, EXIT, Failure } from "./failure.ts";
import { onSignals } from "./signals.ts";

/** Runs the command that the arguments name, and ends this program when it fails. */
export async function runProgram(program: Command): Promise<void> {
  prepare(program);
  onSignals();
  // Whoever reads it has seen enough, as with `| head`.
  process.stdout.on("error", (error: NodeJS.ErrnoException) =>
    process.exit(error.code === "EPIPE" ? 0 : EXIT.registry),
  );
  try {
    await program.parseAsync();
  } catch (error) {
    // What else is under way would go on trying.
    process.exit(report(program.name(), error));
  }
}

/** Commands do not take these over from the one that they are added to. */
function prepare(command: Command): void {
  command.exitOverride().configureHelp({ helpWidth: 80 }).showHelpAfterError("(--help explains)");
  for (const part of command.commands) prepare(part);
}

/** @returns the exit code */
function report(name: string, error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.input;
  console.error(`${name}: ${describe(error)}`);
  return error instanceof Failure ? error.exitCode : EXIT.registry;
}
