/** `berth policy`: which tags are kept as they are. */

import { Command } from "commander";
import type { Policy } from "../oci/policies.ts";
import { type AdminOptions, withApi, withRegistry } from "./admin/api.ts";
import { confirm, type OutputOptions, print, withJson } from "./output.ts";

const HELP = `
A tag that a policy covers cannot be moved to another image, nor deleted, by
anybody: change or remove the policy first. For administrators. Globs: * is
anything within one part of a repository's name, ** across; * is anything in a
tag.

Examples:
  $ berth policy set releases --repositories "team/**" --tags "v*" --except "v*-dev"
  $ berth policy set all --repositories "**" --except latest
  $ berth policy list
  $ berth policy remove releases
`;

type Options = AdminOptions & OutputOptions;

interface SetOptions extends Options {
  repositories: string[];
  tags: string[];
  except: string[];
}

export function policyCommand(): Command {
  const program = new Command("policy")
    .description("Manages what is kept as it is.")
    .addHelpText("after", HELP);

  withJson(
    withRegistry(program.command("set <name>").description("set a policy, in the place of one of this name")),
  )
    .requiredOption("--repositories <glob...>", "in which repositories")
    .option("--tags <glob...>", "which tags do not move", ["*"])
    .option("--except <glob...>", "which tags move nevertheless", [])
    .action(set);
  withJson(withRegistry(program.command("list").description("list the policies"))).action(list);
  withJson(
    withRegistry(program.command("remove <name>").description("remove a policy: its tags can move")),
  ).action(remove);

  return program;
}

async function set(name: string, options: SetOptions): Promise<void> {
  const { repositories, tags, except } = options;
  const body = { kind: "immutable", repositories, tags, except };
  await withApi(options, async (api) => {
    const policy = (await api.call("PUT", pathOf(name), { body })) as Policy;
    print(options, describe(policy), policy);
  });
}

async function list(options: Options): Promise<void> {
  await withApi(options, async (api) => {
    const { policies } = (await api.call("GET", "policies")) as { policies: Policy[] };
    for (const policy of policies) print(options, describe(policy), policy);
    if (policies.length === 0) console.error("There are no policies.");
  });
}

async function remove(name: string, options: Options): Promise<void> {
  await withApi(options, (api) => api.call("DELETE", pathOf(name)));
  confirm(options, `${name} is removed.`, { name, removed: true });
}

function pathOf(name: string): string {
  return `policies/${encodeURIComponent(name)}`;
}

/** For people. */
function describe({ name, rule: { repositories, tags, except } }: Policy): string {
  const exceptions = except.length === 0 ? "" : `, except ${except.join(", ")}`;
  return `${name}: in ${repositories.join(", ")} the tags ${tags.join(", ")} do not move${exceptions}`;
}
