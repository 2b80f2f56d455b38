/** `berth status`: how a registry stands. */

import { Command } from "commander";
import { type AdminOptions, withApi, withRegistry } from "./admin/api.ts";
import { Patience, QUICK_PAUSES } from "./http/retry.ts";
import { formatSize } from "./size.ts";

const HELP = `
What the registry holds, how full its database is, and when garbage was last
collected. For administrators; /healthz tells everybody whether it serves.

Examples:
  $ berth status
  $ berth status --registry https://registry.example.com --json
`;

interface Options extends AdminOptions {
  json?: boolean;
}

/** What the registry answers; see src/routes/status.ts. */
interface Status {
  build: { version: string; deployment: string; schema: number };
  readOnly: string | null;
  objects: { store: string; old: string[]; outOfReach: string[] };
  totals: { repositories: number; manifests: number; blobs: number; blobBytes: number };
  uploads: { open: number; limit: number };
  database: { bytes: number | null; limit: number; share: number | null };
  collection: {
    last: { startedAt: number; outcome: string; error: string | null; waiting: { bytes: number } } | null;
    lastSuccessAt: number | null;
  };
  /** Where there are several: `database` is the fullest. */
  databases?: (Status["database"] & { name: string })[];
}

export function statusCommand(): Command {
  return withRegistry(new Command("status"))
    .description("Says how a Berth registry stands.")
    .option("--json", "print the registry's own answer")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  await withApi(options, async (api) => {
    const status = (await api.call("GET", "status", { patience: new Patience(QUICK_PAUSES) })) as Status;
    console.log(options.json ? JSON.stringify(status) : describe(status));
  });
}

/** For people. */
function describe({ build, readOnly, objects, totals, uploads, collection, ...rest }: Status): string {
  const { last, lastSuccessAt } = collection;
  const lines: [string, string][] = [
    ["version", `${build.version}, schema ${build.schema}`],
    ["repositories", `${totals.repositories} with ${totals.manifests} manifests`],
    ["blobs", `${totals.blobs}, ${formatSize(totals.blobBytes)}`],
    ...whereabouts(objects),
    ["uploads", `${uploads.open} open of at most ${uploads.limit}`],
    ...(rest.databases ?? [{ name: "database", ...rest.database }]).map(sizeLine),
    ["collection", last === null ? "none yet" : `${last.outcome}, ${timeOf(last.startedAt)}`],
  ];
  if (last !== null && last.waiting.bytes > 0)
    lines.push(["", `${formatSize(last.waiting.bytes)} deleted and still kept`]);
  if (last?.outcome === "failed") {
    const since =
      lastSuccessAt === null ? "none has ended well" : `the last that did not: ${timeOf(lastSuccessAt)}`;
    lines.push(["", `${last.error}; ${since}`]);
  }
  if (readOnly !== null) lines.push(["read-only", readOnly]);
  return lines.map(([name, value]) => `${name.padEnd(14)}${value}`).join("\n");
}

/** Where bytes are, and where some are that would be lost with a setting. */
function whereabouts({ store, old, outOfReach }: Status["objects"]): [string, string][] {
  const others = old.map((place): [string, string] => {
    const what = outOfReach.includes(place)
      ? "the settings do not name it: set STORE_FALLBACK to it, or see berth migrate-store --help"
      : "run berth migrate-store before STORE_FALLBACK goes";
    return ["", `some perhaps only in ${place}: ${what}`];
  });
  return [["objects", `in ${store}`], ...others];
}

function sizeLine({ name, bytes, share }: Status["database"] & { name: string }): [string, string] {
  const ofLimit = share === null ? "" : `, ${(share * 100).toFixed(1)} % of the limit`;
  return [name, `${bytes === null ? "unknown" : formatSize(bytes)}${ofLimit}`];
}

/** In UTC, to the second. */
function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}
