/**
 * The users and the database of `npm start`, in this process: wrangler would take seconds to start for each question.
 * A registry that runs meanwhile has the same files open; SQLite lets one write at a time.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, Failure } from "./failure.ts";
import { makePrivateFolder } from "./private-folder.ts";
import { makeTemporaryFolder } from "./temporary-folder.ts";
import { assertCheckout, CONFIG, STATE } from "./wrangler.ts";

const LOCKED_TRIES = 5;

interface Statement {
  bind(...values: string[]): Statement;
}

export interface LocalBindings {
  DB: {
    prepare(sql: string): Statement;
    batch(statements: Statement[]): Promise<unknown>;
  };
  USERS: {
    get(key: string): Promise<string | null>;
    put(key: string, value: string): Promise<void>;
    delete(key: string): Promise<void>;
    list(options: { prefix?: string; cursor?: string }): Promise<{
      keys: { name: string }[];
      list_complete: boolean;
      cursor?: string;
    }>;
  };
}

interface Opened {
  env: LocalBindings;
  dispose(): Promise<void>;
}

let opened: Promise<Opened> | null = null;

/**
 * Does something with the local state, which is opened the first time.
 * @throws Failure
 */
export async function withLocal<T>(use: (bindings: LocalBindings) => Promise<T>): Promise<T> {
  assertCheckout();
  opened ??= openBindings();
  for (let tries = 1; ; tries++) {
    try {
      return await use((await opened).env);
    } catch (error) {
      const message = describe(error);
      const locked = /database is locked|SQLITE_BUSY/.test(message);
      if (!locked || tries === LOCKED_TRIES) throw new Failure(`The local state in ${STATE}: ${message}`);
      await sleep(tries * 500);
    }
  }
}

/** Lets this program end. */
export async function closeLocal(): Promise<void> {
  const closing = opened;
  opened = null;
  await (await closing)?.dispose();
}

async function openBindings(): Promise<Opened> {
  // Password hashes and everybody's images.
  await makePrivateFolder(STATE);
  const { getPlatformProxy, unstable_readConfig: readConfig } = await import("wrangler");
  const { name, compatibility_date, kv_namespaces, d1_databases } = readConfig({ config: CONFIG });
  // Whole, it would have wrangler look for the Durable Object, and complain.
  using folder = await makeTemporaryFolder("berth-config-");
  const configPath = join(folder.path, "wrangler.json");
  await writeFile(configPath, JSON.stringify({ name, compatibility_date, kv_namespaces, d1_databases }));
  const proxy = await getPlatformProxy<LocalBindings & Record<string, unknown>>({
    configPath,
    // Below the folder that wrangler is told, where it keeps what is local.
    persist: { path: `${STATE}/v3` },
    remoteBindings: false,
  });
  return { env: proxy.env, dispose: () => proxy.dispose() };
}
