/** `berth user`: who may use the registry. */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { Command } from "commander";
import { badInput, EXIT } from "./failure.ts";
import { closeLocal } from "./local-bindings.ts";
import { type OutputOptions, print, withJson } from "./output.ts";
import { readPassword } from "./password.ts";
import { importRules, readRules } from "./rules.ts";
import { rotateKey } from "./signing-key.ts";
import {
  checkName,
  describeRights,
  EVERYWHERE,
  format,
  type Grant,
  grantOf,
  hashPassword,
  parse,
  type Rights,
  readHtpasswd,
} from "./user-entries.ts";
import { noteUserEvents, type UserEvent } from "./user-events.ts";
import { LocalUserStore, RemoteUserStore, type UserStore } from "./user-store.ts";

const HELP = `
Patterns of repositories: * matches within one path segment, ** across. Whom
nothing else is said of may pull, push and delete everywhere, but is no
administrator: --admin says so.

Examples:
  $ berth user add alice
  $ berth user add ci --repositories "team/**" --actions pull push
  $ berth user grant ci --repositories library/busybox --actions pull
  $ echo "$PASSWORD" | berth user passwd alice --remote
  $ htpasswd -Bbn bob secret > users && berth user import users

Each takes --remote: the deployed registry instead of npm start's.
`;

interface Options extends OutputOptions {
  remote?: boolean;
  repositories?: string[];
  actions?: string[];
  admin?: boolean;
  weak?: boolean;
}

export function userCommand(): Command {
  const program = new Command("user")
    .description("Manages the users of a Berth registry.")
    .hook("postAction", closeLocal)
    .addHelpText("after", HELP);

  withJson(
    command(program, "add <name>", "add a user; the password is asked for, or read from standard input"),
  )
    .option("--repositories <pattern...>", "where the user has rights")
    .option("--actions <action...>", "which rights: pull, push, delete")
    .option("--admin", "make the user an administrator, beside these rights")
    .option("--weak", "take a password of fewer than 8 characters")
    .action(add);
  withJson(command(program, "passwd <name>", "change a password"))
    .option("--weak", "take one of fewer than 8 characters")
    .action(changePassword);
  withJson(command(program, "remove <name>", "remove a user")).action(remove);
  withJson(command(program, "list", "list users and their rights")).action(list);
  withJson(command(program, "grant <name>", "add to a user's rights"))
    .option("--repositories <pattern...>", "where")
    .option("--actions <action...>", "what: pull, push, delete")
    .option("--admin", "make the user an administrator")
    .action(grant);
  withJson(
    command(
      program,
      "import <file>",
      "take the users of an htpasswd file (bcrypt only); rights that they have stay",
    ),
  )
    .option("--admin", "make new ones administrators")
    .action(importFile);
  withJson(command(program, "rules", "what those may do who sign in elsewhere (OpenID Connect)"))
    .option("--check <file>", "say what is wrong with a file of rules, and change nothing")
    .option("--import <file>", "make the file's rules the registry's, and no others")
    .action(rules);
  withJson(
    command(program, "rotate-key", "sign tokens with a new key; without effect where TOKEN_SECRET is set"),
  )
    .option("--now", "end the tokens that were given before")
    .action(rotateKey);

  return program;
}

function command(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).option("--remote", "the deployed registry");
}

function open({ remote }: Options): UserStore {
  return remote ? new RemoteUserStore() : new LocalUserStore();
}

/** Before it is done. @throws Failure: then it must not be */
function note({ remote = false }: Options, ...events: UserEvent[]): Promise<void> {
  return noteUserEvents(remote, events);
}

/** What the options name; null when they name none. @throws Failure */
function namedGrant({ repositories, actions }: Options): Grant | null {
  if (!repositories !== !actions) throw badInput("--repositories and --actions go together.");
  return repositories && actions ? grantOf(repositories, actions) : null;
}

async function add(name: string, options: Options): Promise<void> {
  const rights = { access: [namedGrant(options) ?? EVERYWHERE], admin: options.admin ?? false };
  const store = open(options);
  if ((await store.get(checkName(name))) !== null) throw badInput(`${name} exists: use passwd or grant.`);
  const hash = await hashPassword(await readPassword(`Password for ${name}: `), options.weak);
  const entry = format(hash, rights);
  await note(options, { action: "add-user", reference: name, detail: rights });
  await store.put(new Map([[name, entry]]));
  print(options, `${name} may ${describeRights(entry)}.`, documentOf(name, entry));
}

async function changePassword(name: string, options: Options): Promise<void> {
  const store = open(options);
  const { rights } = await existing(store, name);
  const hash = await hashPassword(await readPassword(`New password for ${name}: `), options.weak);
  await note(options, { action: "change-password", reference: name, detail: null });
  const entry = format(hash, rights);
  await store.put(new Map([[name, entry]]));
  print(options, `${name} has a new password.`, documentOf(name, entry));
}

async function remove(name: string, options: Options): Promise<void> {
  const store = open(options);
  if ((await store.get(checkName(name))) === null) throw badInput(`There is no user ${name}.`);
  await note(options, { action: "remove-user", reference: name, detail: null });
  // First, or the tokens would live again with another user of this name.
  await store.put(new Map([[`revoked/${name}`, String(Date.now())]]));
  await store.remove(name);
  print(options, `${name} is removed.`, { name, removed: true });
}

async function list(options: Options): Promise<void> {
  const store = open(options);
  // KV's list may be a little behind: who has gone since is left out.
  const users = await store.getAll(await store.list());
  for (const [name, entry] of users)
    print(options, `${name}: ${describeRights(entry)}`, documentOf(name, entry));
  if (users.size === 0) console.error("There are no users.");
}

async function grant(name: string, options: Options): Promise<void> {
  const added = namedGrant(options);
  const { admin = false } = options;
  if (added === null && !admin) {
    throw badInput("Say what to grant: --repositories and --actions, or --admin.");
  }
  const store = open(options);
  const { hash, rights } = await existing(store, name);
  if (rights === null) throw badInput(`${name} may do everything already.`);
  const access = added === null ? [] : [added];
  const entry = format(hash, { access: [...rights.access, ...access], admin: rights.admin || admin });
  await note(options, { action: "grant-rights", reference: name, detail: { access, admin } });
  await store.put(new Map([[name, entry]]));
  print(options, `${name} may ${describeRights(entry)}.`, documentOf(name, entry));
}

async function rules(options: Options & { check?: string; import?: string }): Promise<void> {
  if ((options.check === undefined) === (options.import === undefined))
    throw badInput("Say either --check FILE or --import FILE.");
  if (options.import !== undefined) return importRules(open(options), options.import, options);
  const { size } = await readRules(options.check as string);
  print(options, `${options.check}: ${size} rules, all of them well-formed.`, { rules: size, valid: true });
}

/** For programs. `access`: null where it is everything; `valid`: false for an entry that locks its user out. */
function documentOf(name: string, entry: string): object {
  const parsed = parse(entry);
  const { access = null, admin = parsed !== null } = parsed?.rights ?? {};
  return { name, valid: parsed !== null, access, admin };
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
  const usual: Rights = { access: [EVERYWHERE], admin: options.admin ?? false };
  const entries = new Map<string, string>();
  const events: UserEvent[] = [];
  const present = await store.getAll([...users.keys()]);
  for (const [name, { hash, line }] of users) {
    const entry = present.get(name) ?? null;
    const before = entry === null ? { rights: usual } : parse(entry);
    // Rights that a user has been given stay. Of a malformed entry nobody knows which: it stays locked.
    if (before === null) refused.push({ line, reason: `the entry of ${name} is malformed: remove it first` });
    else {
      entries.set(name, format(hash, before.rights));
      if (entry === null) events.push({ action: "add-user", reference: name, detail: usual });
      else events.push({ action: "change-password", reference: name, detail: null });
    }
  }
  await note(options, ...events);
  if (entries.size > 0) await store.put(entries);
  for (const [name, entry] of entries)
    print(options, `${name}: taken, may ${describeRights(entry)}`, documentOf(name, entry));
  for (const { line, reason } of refused) console.error(`line ${line}: not taken, ${reason}`);
  if (refused.length > 0) process.exitCode = EXIT.input;
}
