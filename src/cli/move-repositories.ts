/** `berth move-repositories`: has the registry copy repositories from one of its databases to another. */

import process from "node:process";
import { Command } from "commander";
import { withRegistry } from "./admin/api.ts";
import type { Page } from "./admin/findings.ts";
import { type WalkOptions, walkPages } from "./admin/walk.ts";
import { EXIT } from "./failure.ts";
import { formatSize } from "./size.ts";

const HELP = `
For a registry over several databases: docs/databases.md. With "team=DB>DB_2" in
DATABASES it copies what is below team to DB_2, with "team=DB_2" behind that it
takes away what DB still has of it. It can be run again: what was copied is
not copied twice, and nothing is taken away that was not copied whole.
Interrupted, it says how to go on.

Examples:
  $ berth move-repositories
  $ berth move-repositories --registry https://registry.example.com

Exit codes: 0 everything lies, or was copied, where DATABASES says; 1 something
could not be copied, or the registry failed; 2 wrong arguments; 130 interrupted.
`;

interface RelocationPage extends Page {
  /** How many manifests the page has copied. */
  moved: number;
  /** Repositories that lie elsewhere than DATABASES says, and were not copied. */
  left: string[];
}

export function moveRepositoriesCommand(): Command {
  return withRegistry(new Command("move-repositories"))
    .description("Copies repositories of a Berth registry from one of its databases to another.")
    .option("--after <cursor>", "go on from where an earlier one ended")
    .option("--json", "print one JSON document at the end")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: WalkOptions): Promise<void> {
  let moved = 0;
  const left: string[] = [];
  await walkPages<RelocationPage>(options, {
    path: "move-repositories",
    add: (page) => {
      moved += page.moved;
      left.push(...page.left);
      if (!options.json)
        for (const name of page.left) console.log(`left where it is, as it was not copied: ${name}`);
    },
    progress: ({ checked, bytes }) => `${checked} manifests, ${formatSize(bytes)}`,
    document: (findings) => ({ moved, left, ...findings.document }),
    summary: (findings) => `${moved} manifests copied. ${findings.summary}`,
    goOn: (next) => `Go on with --after ${next}, or from the beginning: nothing is copied twice.`,
  });
  if (left.length > 0) process.exitCode = EXIT.registry;
}
