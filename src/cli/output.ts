/** What a command prints: a line for people, or for programs the same as JSON. */

import type { Command } from "commander";

export interface OutputOptions {
  json?: boolean;
}

/** Adds the option that {@link print} reads. */
export function withJson(command: Command): Command {
  return command.option("--json", "a line of JSON for each line of output");
}

/** @param line for people */
export function print({ json }: OutputOptions, line: string, document: unknown): void {
  console.log(json ? JSON.stringify(document) : line);
}

/** What of a line a terminal shows without wrapping it: such a line could not be drawn over. */
export function fitLine(line: string, { columns }: NodeJS.WriteStream): string {
  // Not every terminal knows how wide it is.
  return line.slice(0, (columns || 80) - 1);
}

/** Says that it is done, where there is nothing else to print: to people beside the output. */
export function confirm({ json }: OutputOptions, line: string, document: unknown): void {
  if (json) console.log(JSON.stringify(document));
  else console.error(line);
}
