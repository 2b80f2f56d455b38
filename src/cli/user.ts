/** `npm run user`: who may use the registry. */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { Command, CommanderError } from "commander";
import { badInput, describe, EXIT, Failure } from "./failure.ts";
import { readPassword } from "./password.ts";
import { importRules, readRules } from "./rules.ts";
import { rotateKey } from "./signing-key.ts";
import {
  checkName,
  describeRights,
  type Entry,
  format,
  grantOf,
  hashPassword,
  parse,
  readHtpasswd,
} from "./user-entries.ts";
import { UserStore } from "./user-store.ts";

const HELP = `
Patterns of repositories: * matches within one path segment, ** across. Without
rights, add makes a user who may do everything.

Examples:
  $ npm run user -- add alice
  $ npm run user -- add ci --repositories "team/**" --actions pull push
  $ npm run user -- grant ci --repositories library/busybox --actions pull
  $ echo "$PASSWORD" | npm run user -- passwd alice --remote
  $ htpasswd -Bbn bob secret > users && npm run user -- import users

Each takes --remote: the deployed registry instead of npm start's.
`;

interface Options {
  remote?: boolean;
  repositories?: string[];
  actions?: string[];
  admin?: boolean;
}

const program = new Command("user")
  .description("Manages the users of a Berth registry.")
  .addHelpText("after", HELP);

command("add <name>", "add a user; the password is asked for, or read from standard input")
  .option("--repositories <pattern...>", "where the user has rights")
  .option("--actions <action...>", "which rights: pull, push, delete")
  .option("--admin", "whether the user may collect garbage, beside these rights")
  .action(add);
command("passwd <name>", "change a password").action(changePassword);
command("remove <name>", "remove a user").action(remove);
command("list", "list users and their rights").action(list);
command("grant <name>", "add to a user's rights")
  .option("--repositories <pattern...>", "where")
  .option("--actions <action...>", "what: pull, push, delete")
  .option("--admin", "make the user an administrator")
  .action(grant);
command("import <file>", "take the users of an htpasswd file (bcrypt only); new ones have all rights").action(
  importFile,
);
command("rules", "what those may do who sign in elsewhere (OpenID Connect)")
  .option("--check <file>", "say what is wrong with a file of rules, and change nothing")
  .option("--import <file>", "make the file's rules the registry's, and no others")
  .action(rules);
command("rotate-key", "sign tokens with a new key; without effect where TOKEN_SECRET is set")
  .option("--now", "end the tokens that were given before")
  .action(rotateKey);

for (const each of [program, ...program.commands]) each.exitOverride().configureHelp({ helpWidth: 80 });
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT.input;
  else {
    console.error(`user: ${describe(error)}`);
    process.exitCode = error instanceof Failure ? error.exitCode : EXIT.registry;
  }
}

function command(name: string, description: string): Command {
  return program.command(name).description(description).option("--remote", "the deployed registry");
}

function open({ remote }: Options): UserStore {
  return remote ? UserStore.remote() : UserStore.local();
}

function rightsOf({ repositories, actions, admin }: Options): Omit<Entry, "hash"> | null {
  if (!repositories && !actions && !admin) return null;
  if (!repositories !== !actions) throw badInput("--repositories and --actions go together.");
  return { access: repositories && actions ? [grantOf(repositories, actions)] : [], admin: admin ?? false };
}

async function add(name: string, options: Options): Promise<void> {
  const rights = rightsOf(options);
  const store = open(options);
  if ((await store.get(checkName(name))) !== null) throw badInput(`${name} exists: use passwd or grant.`);
  const entry = format(await hashPassword(await readPassword(`Password for ${name}: `)), rights);
  await store.put(new Map([[name, entry]]));
  console.log(`${name} may ${describeRights(entry)}.`);
}

async function changePassword(name: string, options: Options): Promise<void> {
  const store = open(options);
  const { rights } = await existing(store, name);
  const hash = await hashPassword(await readPassword(`New password for ${name}: `));
  await store.put(new Map([[name, format(hash, rights)]]));
  console.log(`${name} has a new password.`);
}

async function remove(name: string, options: Options): Promise<void> {
  const store = open(options);
  if ((await store.get(checkName(name))) === null) throw badInput(`There is no user ${name}.`);
  // First, or the tokens would live again with another user of this name.
  await store.put(new Map([[`revoked/${name}`, String(Date.now())]]));
  await store.remove(name);
  console.log(`${name} is removed.`);
}

async function list(options: Options): Promise<void> {
  const store = open(options);
  for (const name of await store.list())
    console.log(`${name}: ${describeRights((await store.get(name)) ?? "")}`);
}

async function grant(name: string, options: Options): Promise<void> {
  const added = rightsOf(options);
  if (added === null) throw badInput("Say what to grant: --repositories and --actions, or --admin.");
  const store = open(options);
  const { hash, rights } = await existing(store, name);
  if (rights === null) throw badInput(`${name} may do everything already.`);
  const entry = format(hash, {
    access: [...rights.access, ...added.access],
    admin: rights.admin || added.admin,
  });
  await store.put(new Map([[name, entry]]));
  console.log(`${name} may ${describeRights(entry)}.`);
}

async function rules(options: Options & { check?: string; import?: string }): Promise<void> {
  if ((options.check === undefined) === (options.import === undefined))
    throw badInput("Say either --check FILE or --import FILE.");
  if (options.import !== undefined) return importRules(open(options), options.import);
  const { size } = await readRules(options.check as string);
  console.log(`${options.check}: ${size} rules, all of them well-formed.`);
}

async function existing(store: UserStore, name: string) {
  const value = await store.get(checkName(name));
  if (value === null) throw badInput(`There is no user ${name}.`);
  const parsed = parse(value);
  if (parsed === null) throw badInput(`The entry of ${name} is malformed: remove the user and add it again.`);
  return parsed;
}

async function importFile(file: string, options: Options): Promise<void> {
  const { users, refused } = readHtpasswd(await readFile(file, "utf8"));
  const store = open(options);
  const existing = new Set(await store.list());
  const entries = new Map<string, string>();
  for (const [name, hash] of users) {
    // Rights that a user has been given stay; only the password is taken.
    const before = existing.has(name) ? parse((await store.get(name)) ?? "") : null;
    entries.set(name, format(hash, before?.rights ?? null));
  }
  if (entries.size > 0) await store.put(entries);
  for (const [name, entry] of entries) console.log(`${name}: taken, may ${describeRights(entry)}`);
  for (const { line, reason } of refused) console.error(`line ${line}: not taken, ${reason}`);
  if (refused.length > 0) process.exitCode = EXIT.input;
}
