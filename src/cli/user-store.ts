/** The users' KV namespace, local or deployed. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isUserName } from "../auth/user-entry.ts";
import { Failure } from "./failure.ts";
import { withLocal } from "./local-bindings.ts";
import { makeTemporaryFolder } from "./temporary-folder.ts";
import { runWrangler } from "./wrangler.ts";

/** Of rules for who signs in elsewhere. */
const RULE = "rule/";

export abstract class UserStore {
  /** Names, as KV lists them: on Cloudflare, changes of the last minute may be missing. */
  async list(): Promise<string[]> {
    // Tokens, rules and notes are beside the users, under keys with a slash.
    return (await this.listKeys("")).filter(isUserName);
  }

  /** Names of the rules for who signs in elsewhere. */
  async listRules(): Promise<string[]> {
    return (await this.listKeys(RULE)).map((key) => key.slice(RULE.length));
  }

  protected abstract listKeys(prefix: string): Promise<string[]>;

  /** The entry as it is stored; null when there is no such user. */
  abstract get(name: string): Promise<string | null>;
  abstract put(entries: Map<string, string>): Promise<void>;
  abstract remove(name: string): Promise<void>;
}

/** The users of `npm start`. */
export class LocalUserStore extends UserStore {
  protected listKeys(prefix: string): Promise<string[]> {
    return withLocal(async ({ USERS }) => {
      const names: string[] = [];
      for (let cursor: string | undefined; ; ) {
        const page = await USERS.list({ prefix, ...(cursor !== undefined && { cursor }) });
        names.push(...page.keys.map(({ name }) => name));
        if (page.list_complete || page.cursor === undefined) return names;
        cursor = page.cursor;
      }
    });
  }

  get(name: string): Promise<string | null> {
    return withLocal(({ USERS }) => USERS.get(name));
  }

  put(entries: Map<string, string>): Promise<void> {
    return withLocal(async ({ USERS }) => {
      for (const [key, value] of entries) await USERS.put(key, value);
    });
  }

  remove(name: string): Promise<void> {
    return withLocal(({ USERS }) => USERS.delete(name));
  }
}

/** The users of the deployed registry, through wrangler, which asks Cloudflare which namespace its Worker has. */
export class RemoteUserStore extends UserStore {
  readonly #where = ["--binding", "USERS", "--remote"];

  protected async listKeys(prefix: string): Promise<string[]> {
    const only = prefix === "" ? [] : ["--prefix", prefix];
    const keys = JSON.parse(await wrangler(["kv", "key", "list", ...only, ...this.#where]));
    return (keys as { name: string }[]).map(({ name }) => name);
  }

  async get(name: string): Promise<string | null> {
    try {
      return (await wrangler(["kv", "key", "get", name, "--text", ...this.#where])).trim();
    } catch (error) {
      // Of Cloudflare's API it tells the status, after the address that it asked.
      if (error instanceof Failure && error.message.includes(`/values/${encodeURIComponent(name)} - 404: `))
        return null;
      throw error;
    }
  }

  /** All in one call. Hashes go through a file: arguments can be read by other users. */
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

/** @throws Failure with what wrangler says */
export async function wrangler(args: string[]): Promise<string> {
  try {
    return await runWrangler(args);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(`wrangler ${args.slice(0, 3).join(" ")} failed: ${(error as Error).message}`);
  }
}
