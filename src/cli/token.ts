/** `berth token`: passwords for machines, which expire, and never may more than their owner. */

import { Command } from "commander";
import { type AdminOptions, withApi, withRegistry } from "./admin/api.ts";
import { parseDuration } from "./duration.ts";
import { badInput } from "./failure.ts";
import { confirm, type OutputOptions, print, withJson } from "./output.ts";
import { EVERYWHERE, type Grant, grantOf } from "./user-entries.ts";

const HELP = `
A token is used as the password of any client, with its owner's user name. It
never may more than its owner at that moment. The owner is who you log in as; an
administrator can name another one with --user.

Examples:
  $ berth token create ci --repositories "team/**" --actions pull push --expires 90d
  $ berth token list
  $ berth token revoke ci
`;

interface Options extends AdminOptions, OutputOptions {
  user?: string;
}

interface CreateOptions extends Options {
  repositories?: string[];
  actions?: string[];
  expires: string;
}

/** What the registry tells of a token. Times are milliseconds since the epoch; null for never. */
interface Token {
  name: string;
  owner: string;
  access: Grant[];
  createdAt: number;
  expiresAt: number | null;
  lastUsedAt: number | null;
}

export function tokenCommand(): Command {
  const program = new Command("token").description("Manages tokens for machines.").addHelpText("after", HELP);

  command(program, "create <name>", "make a token, and print it once, alone on standard output")
    .option("--repositories <pattern...>", "where it is good; as far as its owner may when not told")
    .option("--actions <action...>", "for what: pull, push, delete")
    .option("--expires <span>", "like 90d or 12h, or never", "90d")
    .action(create);
  command(program, "list", "list tokens, without what is secret").action(list);
  command(program, "revoke [name]", "end a token at once")
    .option("--all", "all of the owner's")
    .action(revoke);

  return program;
}

function command(program: Command, name: string, description: string): Command {
  return withJson(withRegistry(program.command(name).description(description))).option(
    "--user <owner>",
    "whose tokens; another one's only for administrators",
  );
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const { repositories, actions, user, expires } = options;
  if (!repositories !== !actions) throw badInput("--repositories and --actions go together.");
  const body = {
    name,
    access: [repositories && actions ? grantOf(repositories, actions) : EVERYWHERE],
    expiresIn: expires === "never" ? null : parseDuration(expires),
    ...(user !== undefined && { owner: user }),
  };
  await withApi(options, async (api) => {
    const made = (await api.call("POST", "tokens", { body })) as Token & { token: string };
    console.error(`${describe(made)}. It is shown only once; log in with it as ${made.owner}:`);
    print(options, made.token, made);
  });
}

async function list(options: Options): Promise<void> {
  await withApi(options, async (api) => {
    const { tokens } = (await api.call("GET", "tokens", { query: ownerOf(options) })) as { tokens: Token[] };
    for (const token of tokens) {
      const used = token.lastUsedAt === null ? "never used" : `last used ${day(token.lastUsedAt)}`;
      print(options, `${describe(token)}; ${used}`, token);
    }
    if (tokens.length === 0) console.error("There are no tokens.");
  });
}

async function revoke(name: string | undefined, options: Options & { all?: boolean }): Promise<void> {
  if ((name === undefined) !== (options.all === true)) {
    throw badInput("Say which token to revoke, or --all.");
  }
  const path = name === undefined ? "tokens" : `tokens/${encodeURIComponent(name)}`;
  await withApi(options, (api) => api.call("DELETE", path, { query: ownerOf(options) }));
  const said = name === undefined ? "All tokens are revoked." : `${name} is revoked.`;
  confirm(options, said, { name: name ?? null, revoked: true });
}

function ownerOf({ user }: Options): Record<string, string> {
  return user === undefined ? {} : { owner: user };
}

/** For people. */
function describe({ name, owner, access, expiresAt }: Token): string {
  const rights = access.map(
    ({ repositories, actions }) => `${actions.join(", ")} in ${repositories.join(", ")}`,
  );
  const end = expiresAt === null ? "never expires" : `until ${day(expiresAt)}`;
  return `${name} of ${owner} may ${rights.join("; ") || "do nothing"}; ${end}`;
}

/** @param time milliseconds since the epoch */
function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
