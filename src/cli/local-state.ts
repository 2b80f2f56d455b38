/** The state of `npm start` on local disk: made ready by the process that is going to serve it. */

import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import { unstable_splitSqlQuery as splitSql } from "wrangler";
import { isUserName } from "../auth/user-entry.ts";
import { isDatabase } from "./cloudflare/configuration.ts";
import type { LocalBindings } from "./local-bindings.ts";
import { openProxy } from "./local-proxy.ts";
import { makePrivateFolder } from "./private-folder.ts";
import { holdState } from "./state-lock.ts";
import { hashPassword } from "./user-entries.ts";
import { type FirstUser, OBJECTS, ROOT, STATE } from "./wrangler.ts";

const MIGRATIONS = `${ROOT}/migrations`;

interface Statement {
  bind(...values: string[]): Statement;
}

interface LocalDatabase {
  prepare(sql: string): Statement;
  batch(statements: Statement[]): Promise<{ results: { name: string }[] }[]>;
}

/** What is needed of the namespace of users. */
type Users = Pick<LocalBindings["USERS"], "list" | "put">;

/** Holds the state until this process ends, and applies migrations. @throws Error when another process holds it */
export async function prepareState(): Promise<void> {
  // Password hashes and everybody's images.
  await makePrivateFolder(STATE);
  holdState(STATE);
  await makePrivateFolder(OBJECTS);
  const { env, dispose } = await openProxy<Record<string, unknown>>();
  try {
    for (const [name, db] of Object.entries(env)) if (isDatabase(name)) await migrate(db as LocalDatabase);
  } finally {
    await dispose();
  }
}

/**
 * What `wrangler d1 migrations apply` does, with its own splitter and in its own book, but in a process that has it
 * loaded already. Each migration goes in whole or not at all.
 */
async function migrate(db: LocalDatabase): Promise<void> {
  const book = `CREATE TABLE IF NOT EXISTS d1_migrations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE,
    applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
  )`;
  const [, rows] = await db.batch([db.prepare(book), db.prepare("SELECT name FROM d1_migrations")]);
  const applied = new Set(rows?.results.map(({ name }) => name));
  const files = (await readdir(MIGRATIONS)).filter((name) => name.endsWith(".sql")).sort();
  for (const name of files.filter((name) => !applied.has(name))) {
    const statements = splitSql(await readFile(`${MIGRATIONS}/${name}`, "utf8"));
    await db.batch([
      ...statements.map((sql) => db.prepare(sql)),
      db.prepare("INSERT INTO d1_migrations (name) VALUES (?1)").bind(name),
    ]);
  }
}

/** Makes the first user. Whoever calls this tells the password: nobody else can. @returns null when there are users already */
export async function makeFirstUser(users: Users): Promise<FirstUser | null> {
  for (let cursor: string | undefined; ; ) {
    const page = await users.list(cursor === undefined ? {} : { cursor });
    // Tokens, rules and notes are beside the users, under keys with a slash.
    if (page.keys.some(({ name }) => isUserName(name))) return null;
    if (page.list_complete) break;
    cursor = page.cursor;
  }
  // A test, or a container that is started unattended, may want to know it beforehand.
  const password = process.env.BERTH_ADMIN_PASSWORD ?? randomBytes(12).toString("base64url");
  await users.put("admin", await hashPassword(password));
  return { user: "admin", password };
}
