/**
 * The users and the database of `npm start`, in this process: wrangler would take seconds to start for each question.
 * A registry that runs meanwhile has the same files open; SQLite lets one write at a time.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { describe, Failure } from "./failure.ts";
import { type Opened, openProxy } from "./local-proxy.ts";
import { makePrivateFolder } from "./private-folder.ts";
import { assertCheckout, STATE } from "./wrangler.ts";

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

let opened: Promise<Opened<LocalBindings>> | null = null;

/**
 * Does something with the local state, which is opened the first time.
 * @throws Failure
 */
export async function withLocal<T>(use: (bindings: LocalBindings) => Promise<T>): Promise<T> {
  assertCheckout();
  // Password hashes and everybody's images.
  opened ??= makePrivateFolder(STATE).then(() => openProxy<LocalBindings>());
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
