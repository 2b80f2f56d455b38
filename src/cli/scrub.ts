/** `berth scrub`: has the registry read everything that it keeps and compare, page after page. */

import { Command } from "commander";
import { withRegistry } from "./admin/api.ts";
import { type WalkOptions, walkPages } from "./admin/walk.ts";
import { formatSize } from "./size.ts";

const HELP = `
Every object is read and compared with its digest and size. What a repeat finds
is healed, what differs is put aside, and manifests that lack something are
listed: push those again. Nothing else is changed, and people can go on pushing.

Interrupted, it prints the command that goes on from there.

Examples:
  $ berth scrub
  $ berth scrub --registry https://registry.example.com --json

Exit codes: 0 all is well, or was healed; 1 something is damaged or missing, or
the registry failed; 2 wrong arguments; 130 interrupted.
`;

interface Options extends WalkOptions {
  rebuild?: boolean;
}

export function scrubCommand(): Command {
  return withRegistry(new Command("scrub"))
    .description("Reads everything that a Berth registry keeps, and heals what can be healed.")
    .option("--after <cursor>", "go on from where an earlier one ended")
    .option("--rebuild", "also look for objects that no row names and some manifest needs")
    .option("--json", "print one JSON document at the end")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  await walkPages(options, {
    path: "scrub",
    query: options.rebuild ? { rebuild: "true" } : {},
    progress: ({ checked, bytes }) => `${checked} checked, ${formatSize(bytes)}`,
    document: (findings) => findings.document,
    summary: (findings) => findings.summary,
    goOn: (next) => `Go on with: ${commandFrom(next, options)}`,
  });
}

function commandFrom(after: string, options: Options): string {
  const { registry, insecure, username, passwordStdin, rebuild, json } = options;
  const args = [
    ...["--registry", registry],
    ...(insecure ? ["--insecure"] : []),
    ...(username === undefined ? [] : ["--username", username]),
    ...(passwordStdin ? ["--password-stdin"] : []),
    ...(rebuild ? ["--rebuild"] : []),
    ...(json ? ["--json"] : []),
    ...["--after", after],
  ];
  return `npx berth scrub ${args.map(quote).join(" ")}`;
}

/** For a shell. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
