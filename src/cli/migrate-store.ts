/** `berth migrate-store`: has the registry copy what it keeps from one store to another, page after page. */

import { Command } from "commander";
import { withRegistry } from "./admin/api.ts";
import type { Page } from "./admin/findings.ts";
import { type WalkOptions, walkPages } from "./admin/walk.ts";
import { formatSize } from "./size.ts";

const HELP = `
Set STORE to the new store and STORE_FALLBACK to the old one, deploy, and run
this: docs/stores.md. People can go on pushing and pulling. Every object is
verified on the way, and the old store keeps its own. It can be run again: what
is there is not copied twice. Interrupted, it says how to go on.

Examples:
  $ berth migrate-store
  $ berth migrate-store --registry https://registry.example.com

Exit codes: 0 nothing is left to move; 1 something is wrong or missing in the
old store, or the registry failed; 2 wrong arguments; 130 interrupted.
`;

const LEFT = `Nothing that images need is left in the old store. Uploads that began before
STORE was set may still end there: once UPLOAD_EXPIRY (a day) has passed since
then, run this again, and when it moves nothing take STORE_FALLBACK away.`;

interface MovePage extends Page {
  /** How many objects the page has copied. */
  moved: number;
}

export function migrateStoreCommand(): Command {
  return withRegistry(new Command("migrate-store"))
    .description("Copies what a Berth registry keeps from one object store to another.")
    .option("--after <cursor>", "go on from where an earlier one ended")
    .option("--json", "print one JSON document at the end")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: WalkOptions): Promise<void> {
  let moved = 0;
  await walkPages<MovePage>(options, {
    path: "migrate-store",
    add: (page) => {
      moved += page.moved;
    },
    progress: ({ checked, bytes }) => `${checked} looked at, ${moved} moved, ${formatSize(bytes)}`,
    document: (findings) => ({ moved, ...findings.document }),
    summary: (findings) => `${moved} moved. ${findings.summary}`,
    goOn: (next) => `Go on with --after ${next}, or from the beginning: nothing is copied twice.`,
    last: LEFT,
  });
}
