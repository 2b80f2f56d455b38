/** The deployed registry's parts, by Cloudflare's API: the account, the users' namespace and the database. */

import { badInput, Failure } from "../failure.ts";
import { findAccess } from "./access.ts";
import { CloudflareApi, CloudflareRefusal } from "./api.ts";
import { type Configuration, readConfiguration } from "./configuration.ts";

interface Settings {
  bindings: { type: string; name: string; namespace_id?: string }[];
}

export class Deployment {
  readonly api: CloudflareApi;
  readonly account: string;
  readonly configuration: Configuration;
  #namespace: Promise<string> | null = null;
  #databases = new Map<string, Promise<string | null>>();

  private constructor(api: CloudflareApi, account: string, configuration: Configuration) {
    this.api = api;
    this.account = account;
    this.configuration = configuration;
  }

  /** @throws Failure saying how to log in, or how to name the account */
  static async open(): Promise<Deployment> {
    const configuration = await readConfiguration();
    const access = await findAccess();
    const api = new CloudflareApi(access);
    const account = configuration.account ?? access.account ?? (await onlyAccount(api));
    return new Deployment(api, account, configuration);
  }

  /** Path below the account. */
  path(rest: string): string {
    return `/accounts/${this.account}${rest}`;
  }

  /** Of the users' namespace. @throws Failure where there is none yet */
  namespace(): Promise<string> {
    this.#namespace ??= this.#findNamespace();
    return this.#namespace;
  }

  /** A database's id; null where there is none yet. @param binding one of the registry's */
  database(binding = "DB"): Promise<string | null> {
    const found = this.#databases.get(binding) ?? this.#findDatabase(binding);
    this.#databases.set(binding, found);
    return found;
  }

  /** Forgets what was not there, as something has been created since. */
  lookAgain(): void {
    this.#namespace = null;
    this.#databases.clear();
  }

  async #findNamespace(): Promise<string> {
    const { name, namespace } = this.configuration;
    if (namespace !== null) return namespace;
    const { bindings } = await this.api
      .get<Settings>(this.path(`/workers/scripts/${name}/settings`))
      .catch(absent<Settings>({ bindings: [] }));
    const found = bindings.find(({ type, name }) => type === "kv_namespace" && name === "USERS");
    if (found?.namespace_id !== undefined) return found.namespace_id;
    throw badInput(`No registry is deployed in this account as ${name}: run npm run deploy first.`);
  }

  async #findDatabase(binding: string): Promise<string | null> {
    const database = this.configuration.databases.find((one) => one.binding === binding);
    if (database === undefined) throw badInput(`wrangler.toml binds no database as ${binding}.`);
    const { id, name } = database;
    if (id !== null) return id;
    const path = this.path(`/d1/database/${encodeURIComponent(name)}?fields=uuid%2Cname`);
    return (await this.api.get<{ uuid: string }>(path).catch(absent(null)))?.uuid ?? null;
  }
}

let opened: Promise<Deployment> | null = null;

/** The one that this program works on. @throws Failure */
export function openDeployment(): Promise<Deployment> {
  opened ??= Deployment.open();
  return opened;
}

/** For a promise: `instead` where Cloudflare says that nothing is there. */
function absent<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof CloudflareRefusal && error.status === 404) return instead;
    throw error;
  };
}

async function onlyAccount(api: CloudflareApi): Promise<string> {
  const accounts = await api.get<{ id: string }[]>("/accounts");
  const [first, second] = accounts;
  if (first === undefined)
    throw new Failure(
      "The login shows no account: say which with CLOUDFLARE_ACCOUNT_ID, then run this again.",
    );
  if (second === undefined) return first.id;
  throw new Failure(
    "The login is for several accounts: say which with CLOUDFLARE_ACCOUNT_ID, then run this again.",
  );
}
