/** The users' KV namespace, local or deployed. */

import { isUserName } from "../auth/user-entry.ts";
import { openDeployment } from "./cloudflare/deployment.ts";
import { Failure } from "./failure.ts";
import { withLocal } from "./local-bindings.ts";

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

  /** The entries of those that are there. */
  async getAll(names: string[]): Promise<Map<string, string>> {
    const entries = new Map<string, string>();
    for (const name of names) {
      const entry = await this.get(name);
      if (entry !== null) entries.set(name, entry);
    }
    return entries;
  }

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

/** How many keys one request may name. */
const KEYS_READ = 100;
const KEYS_WRITTEN = 1000;

/** The users of the deployed registry, through Cloudflare's API. */
export class RemoteUserStore extends UserStore {
  protected async listKeys(prefix: string): Promise<string[]> {
    const { api } = await openDeployment();
    const keys = await api.getAll<{ name: string }>(
      await this.#path("/keys"),
      `?prefix=${encodeURIComponent(prefix)}`,
    );
    return keys.map(({ name }) => name);
  }

  async get(name: string): Promise<string | null> {
    const { api } = await openDeployment();
    return api.getText(await this.#value(name));
  }

  override async getAll(names: string[]): Promise<Map<string, string>> {
    const { api } = await openDeployment();
    const entries = new Map<string, string>();
    for (const keys of slices(names, KEYS_READ)) {
      const { values } = await api.send<{ values: Record<string, string | null> }>(
        "POST",
        await this.#path("/bulk/get"),
        { keys },
        true,
      );
      for (const key of keys) if (values[key] != null) entries.set(key, values[key]);
    }
    return entries;
  }

  async put(entries: Map<string, string>): Promise<void> {
    const { api } = await openDeployment();
    const bulk = [...entries].map(([key, value]) => ({ key, value }));
    for (const some of slices(bulk, KEYS_WRITTEN)) {
      const result = await api.send<{ unsuccessful_keys?: string[] } | null>(
        "PUT",
        await this.#path("/bulk"),
        some,
      );
      const left = result?.unsuccessful_keys ?? [];
      if (left.length > 0) throw new Failure(`Cloudflare has not stored ${left.join(", ")}: run this again.`);
    }
  }

  async remove(name: string): Promise<void> {
    const { api } = await openDeployment();
    await api.send("DELETE", await this.#value(name));
  }

  #value(name: string): Promise<string> {
    return this.#path(`/values/${encodeURIComponent(name)}`);
  }

  /** Below the namespace. */
  async #path(rest: string): Promise<string> {
    const deployment = await openDeployment();
    return deployment.path(`/storage/kv/namespaces/${await deployment.namespace()}${rest}`);
  }
}

function slices<T>(items: T[], length: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / length) }, (_, index) =>
    items.slice(index * length, (index + 1) * length),
  );
}
