/** `berth migrate-store`: has the registry copy what it keeps from one store to another, page after page. */

import { Command } from "commander";
import { withApi, withRegistry } from "./admin/api.ts";
import type { Page } from "./admin/findings.ts";
import { type WalkOptions, walkPages } from "./admin/walk.ts";
import { Patience, QUICK_PAUSES } from "./http/retry.ts";
import { print } from "./output.ts";
import { formatSize } from "./size.ts";

const HELP = `
Set STORE to the new store and STORE_FALLBACK to the old one, deploy, and run
this: docs/stores.md. People can go on pushing and pulling. Every object is
verified on the way, and the old store keeps its own. It can be run again: what
is there is not copied twice. Interrupted, it says how to go on.

Examples:
  $ berth migrate-store
  $ berth migrate-store --to s3 --registry https://registry.example.com

Objects that were copied by other means, or that are given up: --accept has the
registry take the settings' word for it that nothing is anywhere else.

Exit codes: 0 nothing is left to move; 1 it has to run again, something is wrong
or missing in the old store, or the registry failed; 2 wrong arguments; 130
interrupted.
`;

const DONE = `Nothing that images need is left in the old store: take STORE_FALLBACK away, and
deploy. An upload that began before STORE was set may end there until then:
"berth status" says so, and this has to run once more.`;

const LATE = `It has to run again: an upload ended in the old store meanwhile, as it had begun
there, or somebody else has begun a move.`;

/** @param again milliseconds since the epoch */
function tooEarly(again: number): string {
  const time = new Date(again).toISOString().slice(11, 16);
  return `It has to run again, at ${time} UTC or later: when this one began, the version that was deployed
before may still have been serving, and it knows the old store alone.`;
}

interface MovePage extends Page {
  /** How many objects the page has copied. */
  moved: number;
  /** Of the last page: whether nothing is left. */
  done: boolean;
  /** When another pass may be the last; null for now. Milliseconds since the epoch. */
  again: number | null;
}

interface Options extends WalkOptions {
  to?: string;
  accept?: boolean;
}

export function migrateStoreCommand(): Command {
  return withRegistry(new Command("migrate-store"))
    .description("Copies what a Berth registry keeps from one object store to another.")
    .option("--to <store>", "only if that is what STORE says, like s3")
    .option("--after <cursor>", "go on from where an earlier one ended")
    .option("--accept", "do not move: the settings name every store that counts")
    .option("--json", "print one JSON document at the end")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  if (options.accept) return accept(options);
  let moved = 0;
  let end: Pick<MovePage, "done" | "again"> = { done: false, again: null };
  await walkPages<MovePage>(options, {
    path: "migrate-store",
    ...(options.to !== undefined && { query: { to: options.to } }),
    add: (page) => {
      moved += page.moved;
      end = page;
    },
    progress: ({ checked, bytes }) => `${checked} looked at, ${moved} moved, ${formatSize(bytes)}`,
    document: (findings) => ({ moved, done: end.done, again: end.again, ...findings.document }),
    summary: (findings) => `${moved} moved. ${findings.summary}`,
    goOn: (next) => `Go on with --after ${next}, or from the beginning: nothing is copied twice.`,
    last: () => ({
      text: end.done ? DONE : end.again === null ? LATE : tooEarly(end.again),
      well: end.done,
    }),
  });
}

async function accept(options: Options): Promise<void> {
  await withApi(options, async (api) => {
    const query = { accept: "true" };
    await api.call("POST", "migrate-store", { query, patience: new Patience(QUICK_PAUSES) });
    print(options, "From now on all objects are where STORE and STORE_FALLBACK say.", { accepted: true });
  });
}
