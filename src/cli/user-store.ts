/** The users' KV namespace, local or deployed, through wrangler's KV commands. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isUserName } from "../auth/user-entry.ts";
import { Failure } from "./failure.ts";
import { makeTemporaryFolder } from "./temporary-folder.ts";
import { runWrangler, STATE } from "./wrangler.ts";

const LOCKED_TRIES = 5;

export class UserStore {
  /** Which namespace, as wrangler wants to be told. */
  readonly #where: string[];

  private constructor(where: string[]) {
    this.#where = where;
  }

  /** The users of `npm start`. */
  static local(): UserStore {
    return new UserStore(["--binding", "USERS", "--local", "--persist-to", STATE]);
  }

  /** The users of the deployed registry. wrangler asks Cloudflare which namespace its Worker has. */
  static remote(): UserStore {
    return new UserStore(["--binding", "USERS", "--remote"]);
  }

  /** Names, as KV lists them: on Cloudflare, changes of the last minute may be missing. */
  async list(): Promise<string[]> {
    const keys = JSON.parse(await wrangler(["kv", "key", "list", ...this.#where])) as { name: string }[];
    // Tokens, rules and notes are beside the users, under keys with a slash.
    return keys.map(({ name }) => name).filter(isUserName);
  }

  /** Names of the rules for who signs in elsewhere. */
  async listRules(): Promise<string[]> {
    const listed = await wrangler(["kv", "key", "list", "--prefix", "rule/", ...this.#where]);
    return (JSON.parse(listed) as { name: string }[]).map(({ name }) => name.slice("rule/".length));
  }

  /** The entry as it is stored; null when there is no such user. */
  async get(name: string): Promise<string | null> {
    try {
      const said = (await wrangler(["kv", "key", "get", name, "--text", ...this.#where])).trim();
      // Locally wrangler says so in place of the value, and that it went well.
      return said === "Value not found" ? null : said;
    } catch (error) {
      // Of Cloudflare's API it tells the status, after the address that it asked.
      if (error instanceof Failure && error.message.includes(`/values/${encodeURIComponent(name)} - 404: `))
        return null;
      throw error;
    }
  }

  /** Writes entries, all in one call. Hashes go through a file: arguments can be read by other users. */
  async put(entries: Map<string, string>): Promise<void> {
    using folder = await makeTemporaryFolder("berth-users-");
    const path = join(folder.path, "users.json");
    const bulk = [...entries].map(([key, value]) => ({ key, value }));
    await writeFile(path, JSON.stringify(bulk), { mode: 0o600 });
    await wrangler(["kv", "bulk", "put", path, ...this.#where]);
  }

  async remove(name: string): Promise<void> {
    await wrangler(["kv", "key", "delete", name, ...this.#where]);
  }
}

/** Beside a running `npm start`, the local database may be locked for a moment: then it is tried again. */
export async function wrangler(args: string[]): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      return await runWrangler(args);
    } catch (error) {
      const { message } = error as Error;
      if (tries < LOCKED_TRIES && message.includes("database is locked")) await sleep(tries * 500);
      else throw new Failure(`wrangler ${args.slice(0, 3).join(" ")} failed: ${message}`);
    }
  }
}
