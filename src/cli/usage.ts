/** `berth usage`: who holds what in a registry. */

import process from "node:process";
import { Command } from "commander";
import { type AdminApi, type AdminOptions, withApi, withRegistry } from "./admin/api.ts";
import { Failure } from "./failure.ts";
import { Patience, QUICK_PAUSES } from "./http/retry.ts";
import { formatSize } from "./size.ts";

const HELP = `
The repositories, the largest first, with what each holds: bytes, blobs,
manifests, whose push made it, and when it was last pulled. A blob that several
repositories share counts in each, though the registry keeps it once. For
administrators.

Examples:
  $ berth usage
  $ berth usage --registry https://registry.example.com --json
`;

interface Options extends AdminOptions {
  json?: boolean;
}

/** What the registry tells of a repository, or of a part of it. */
interface Usage {
  repository: string;
  owner: string | null;
  bytes: number;
  blobs: number;
  manifests: number;
  /** The last pull, to the day: milliseconds since the epoch, null for none that was noted. Older registries do not say. */
  pulledAt?: number | null;
}

interface Page {
  repositories: Usage[];
  next: string | null;
}

export function usageCommand(): Command {
  return withRegistry(new Command("usage"))
    .description("Lists who holds what in a Berth registry.")
    .option("--json", "a line of JSON for each repository")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  await withApi(options, async (api) => {
    const usages = await readAll(api);
    for (const usage of usages) {
      process.stdout.write(`${options.json ? JSON.stringify(usage) : describe(usage)}\n`);
    }
    if (usages.length === 0) console.error("There is nothing in this registry.");
  });
}

/** The largest first. A large repository comes in parts. */
async function readAll(api: AdminApi): Promise<Usage[]> {
  const sums = new Map<string, Usage>();
  for (let last: string | null = null; ; ) {
    const page = (await api.call("GET", "usage", {
      query: last === null ? {} : { last },
      patience: new Patience(QUICK_PAUSES),
    })) as Page;
    for (const part of page.repositories) {
      const sum = sums.get(part.repository);
      sums.set(part.repository, sum === undefined ? part : added(sum, part));
    }
    if (page.next === null) break;
    if (page.next === last) throw new Failure("The registry does not get any further.");
    last = page.next;
  }
  return [...sums.values()].sort(
    (one, other) => other.bytes - one.bytes || (one.repository < other.repository ? -1 : 1),
  );
}

function added(one: Usage, other: Usage): Usage {
  return {
    ...one,
    bytes: one.bytes + other.bytes,
    blobs: one.blobs + other.blobs,
    manifests: one.manifests + other.manifests,
  };
}

/** For people. */
function describe({ repository, owner, bytes, blobs, manifests, pulledAt }: Usage): string {
  const whose = owner === null ? "" : `  of ${owner}`;
  const pulled = pulledAt == null ? "" : `, last pulled ${new Date(pulledAt).toISOString().slice(0, 10)}`;
  return `${formatSize(bytes).padStart(9)}  ${repository}${whose}  ${countOf(blobs, "blob")}, ${countOf(manifests, "manifest")}${pulled}`;
}

function countOf(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
