/** `berth quota`: how many bytes repositories may hold together. */

import { Command } from "commander";
import { type Quota, type QuotaScope, splitGlob } from "../oci/quotas.ts";
import { type AdminOptions, withApi, withRegistry } from "./admin/api.ts";
import { badInput } from "./failure.ts";
import { confirm, type OutputOptions, print, withJson } from "./output.ts";
import { formatSize, parseSize } from "./size.ts";

const HELP = `
What the repositories hold counts, each blob once however many of them share it,
and manifests do as well. A push that would go beyond is refused; what is there
stays. For administrators. Globs: * is anything within one part of a
repository's name, ** across.

Examples:
  $ berth quota set team --repositories "team/**" --bytes 50GB
  $ berth quota set alice --owner alice --bytes 5GB
  $ berth quota list
  $ berth quota remove team
`;

type Options = AdminOptions & OutputOptions;

interface SetOptions extends Options {
  repositories?: string;
  owner?: string;
  bytes: string;
}

/** What the registry tells of a quota. */
type SetQuota = Quota & { name: string; used: number };

export function quotaCommand(): Command {
  const program = new Command("quota")
    .description("Manages how much may be held.")
    .addHelpText("after", HELP);

  withJson(
    withRegistry(program.command("set <name>").description("set a quota, in the place of one of this name")),
  )
    .option("--repositories <glob>", "of the repositories of these names")
    .option("--owner <user>", "of the repositories that this user's pushes have made")
    .requiredOption("--bytes <size>", "how many bytes they may hold, like 50GB")
    .action(set);
  withJson(
    withRegistry(program.command("list").description("list the quotas, and what is used of each")),
  ).action(list);
  withJson(withRegistry(program.command("remove <name>").description("remove a quota"))).action(remove);

  return program;
}

async function set(name: string, options: SetOptions): Promise<void> {
  const body = { ...scopeOf(options), allowed: options.bytes === "0" ? 0 : parseSize(options.bytes) };
  await withApi(options, async (api) => {
    const quota = (await api.call("PUT", pathOf(name), { body })) as SetQuota;
    print(options, describe(quota), quota);
  });
}

/** @throws Failure */
function scopeOf({ repositories, owner }: SetOptions): QuotaScope {
  if ((repositories === undefined) === (owner === undefined)) {
    throw badInput("Say of whom: --repositories, or --owner.");
  }
  if (owner !== undefined) return { owner };
  const problem = splitGlob(repositories as string);
  if (typeof problem === "string") throw badInput(`--${problem}.`);
  return { repositories: repositories as string };
}

async function list(options: Options): Promise<void> {
  await withApi(options, async (api) => {
    const { quotas } = (await api.call("GET", "quotas")) as { quotas: SetQuota[] };
    for (const quota of quotas) print(options, describe(quota), quota);
    if (quotas.length === 0) console.error("There are no quotas.");
  });
}

async function remove(name: string, options: Options): Promise<void> {
  await withApi(options, (api) => api.call("DELETE", pathOf(name)));
  confirm(options, `${name} is removed.`, { name, removed: true });
}

function pathOf(name: string): string {
  return `quotas/${encodeURIComponent(name)}`;
}

/** For people. */
function describe(quota: SetQuota): string {
  const { name, used, allowed } = quota;
  const whose = "owner" in quota ? `the repositories of ${quota.owner}` : quota.repositories;
  return `${name}: ${whose} may hold ${formatSize(allowed)}, and ${verb(quota)} ${formatSize(used)}`;
}

function verb({ used, allowed }: SetQuota): string {
  return used > allowed ? "hold more," : "hold";
}
