/** The state of `npm start` on local disk: made ready by the process that is going to serve it. */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir } from "node:fs/promises";
import process from "node:process";
import { getPlatformProxy } from "wrangler";
import { isUserName } from "../auth/user-entry.ts";
import { hashPassword } from "./user-entries.ts";
import { CONFIG, type FirstUser, ROOT, runWrangler, STATE } from "./wrangler.ts";

/** Below the folder that wrangler is told, where it keeps what is local. */
const FOLDER = `${STATE}/v3`;

/** What is needed of the bindings. */
interface Bindings {
  DB: { prepare(sql: string): { all(): Promise<{ results: { name: string }[] }> } };
  USERS: {
    list(options: {
      cursor?: string;
    }): Promise<{ keys: { name: string }[]; list_complete: boolean; cursor?: string }>;
    put(key: string, value: string): Promise<void>;
  };
}

/** Applies migrations, and makes the first user. @returns null when there are users already */
export async function prepareState(): Promise<FirstUser | null> {
  // Password hashes and everybody's images: for no other user of this machine.
  await mkdir(STATE, { recursive: true, mode: 0o700 });
  await chmod(STATE, 0o700);
  // One after the other: on new state, two that open it lock each other out.
  const isMigrated = existsSync(`${FOLDER}/d1`) && (await withBindings(({ DB }) => hasAllMigrations(DB)));
  // wrangler's own way, which keeps the book that `npm run deploy` keeps as well.
  if (!isMigrated) await runWrangler(["d1", "migrations", "apply", "DB", "--local", "--persist-to", STATE]);
  return withBindings(({ USERS }) => makeFirstUser(USERS));
}

async function withBindings<T>(work: (bindings: Bindings) => Promise<T>): Promise<T> {
  const proxy = await getPlatformProxy<Bindings & Record<string, unknown>>({
    configPath: CONFIG,
    persist: { path: FOLDER },
    remoteBindings: false,
  });
  try {
    return await work(proxy.env);
  } finally {
    await proxy.dispose();
  }
}

async function hasAllMigrations(db: Bindings["DB"]): Promise<boolean> {
  const wanted = (await readdir(`${ROOT}/migrations`)).filter((name) => name.endsWith(".sql"));
  try {
    const { results } = await db.prepare("SELECT name FROM d1_migrations").all();
    const applied = new Set(results.map(({ name }) => name));
    return wanted.every((name) => applied.has(name));
  } catch (error) {
    if (String(error).includes("no such table")) return false;
    throw error;
  }
}

async function makeFirstUser(users: Bindings["USERS"]): Promise<FirstUser | null> {
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
