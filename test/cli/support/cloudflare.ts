/** A stand-in for the part of Cloudflare's API that the project's own wrangler asks, with real SQL behind D1. */

import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { BOOKMARK, Dumps } from "./cloudflare-dump.ts";
import { type Asked, json, ScriptedServer } from "./scripted-server.ts";

const MIGRATIONS = resolve(import.meta.dirname, "../../../migrations");
const ACCOUNT = "/client/v4/accounts/account";
const DATABASE = "11111111-1111-4111-8111-111111111111";

class ApiError {
  readonly status: number;
  readonly code: number;
  readonly message: string;

  constructor(status: number, code: number, message = "refused") {
    this.status = status;
    this.code = code;
    this.message = message;
  }
}

const NOT_FOUND = new ApiError(404, 10_007);
const NO_BUCKET = new ApiError(404, 10_006);
const NO_DATABASE = new ApiError(404, 7404);
const NO_WORKER = new ApiError(404, 10_090);
const NO_R2 = new ApiError(403, 10_042, "Please enable R2 through the Cloudflare Dashboard.");
const FREE_PLAN = new ApiError(400, 100_328, "CPU limits are not supported for the Free plan.");

const DATABASE_INFO = { uuid: DATABASE, name: "berth", version: "production" };
/** Another one, for a registry that has several. */
const SECOND_INFO = {
  uuid: "22222222-2222-4222-8222-222222222222",
  name: "berth-2",
  version: "production",
};
const SERVICE = {
  default_environment: { environment: "production", script: { last_deployed_from: "wrangler" } },
};
const BINDINGS = [
  { type: "kv_namespace", name: "USERS", namespace_id: "users" },
  { type: "d1", name: "DB", id: DATABASE, database_id: DATABASE },
  { type: "r2_bucket", name: "BUCKET", bucket_name: "berth" },
];

type Route = [pattern: RegExp, answer: (found: string[], body: string) => unknown];

export class Cloudflare {
  /** The users' namespace: what can be read, and of that, what the list tells already. */
  readonly values = new Map<string, string>();
  listed: string[] = [];
  /** The Worker's. */
  readonly secrets = new Map<string, string>();
  /** What fails, whatever it asks: paths. */
  readonly refused: RegExp[] = [];
  /** What has been created. */
  worker = false;
  bucket = false;
  namespace = false;
  database: DatabaseSync | null = null;
  second: DatabaseSync | null = null;
  /** What the account lacks: then what needs it is refused as Cloudflare refuses it. */
  lacks: "login" | "r2" | "paid" | null = null;
  /** What the login is for. */
  accounts = ["account"];
  /** Whether the Worker answers on workers.dev; null before anybody has said so. */
  workersDev: boolean | null = null;
  readonly #server: ScriptedServer;
  readonly #dumps: Dumps;

  private constructor(server: ScriptedServer) {
    this.#server = server;
    this.#dumps = new Dumps(server.origin);
    server.reply = (asked, response) => {
      if (asked.url === "/upload") {
        // By the link that an import was given.
        response.setHeader("ETag", this.#dumps.upload(asked.body)).end();
        return;
      }
      const result = this.#answer(asked);
      if (result instanceof ApiError) {
        const errors = [{ code: result.code, message: result.message }];
        json(response, result.status, { success: false, errors, messages: [], result: null });
      } else if (typeof result === "string") response.end(result);
      else json(response, 200, { success: true, errors: [], messages: [], result, result_info: {} });
    };
  }

  static async listen(): Promise<Cloudflare> {
    return new Cloudflare(await new ScriptedServer().listen());
  }

  /** An account with a registry that was deployed before. */
  deployed(): this {
    this.worker = true;
    this.bucket = true;
    this.namespace = true;
    this.database = new DatabaseSync(":memory:");
    return this;
  }

  /** The database has its tables. */
  migrated(): this {
    for (const name of readdirSync(MIGRATIONS).sort())
      this.database?.exec(readFileSync(join(MIGRATIONS, name), "utf8"));
    return this;
  }

  close(): void {
    this.#server.close();
    this.database?.close();
    this.second?.close();
  }

  /** What wrangler has to know. */
  get env(): Record<string, string> {
    return {
      CLOUDFLARE_API_BASE_URL: `${this.#server.origin}/client/v4`,
      // An empty one is none.
      CLOUDFLARE_API_TOKEN: this.lacks === "login" ? "" : "token",
      CLOUDFLARE_ACCOUNT_ID: "account",
      WRANGLER_SEND_METRICS: "false",
    };
  }

  /** All that was asked so far, with who asked. */
  get asked(): readonly Asked[] {
    return this.#server.asked;
  }

  /** Method and path below the account of what was asked so far, like "GET /workers/scripts/berth/settings". */
  get log(): string[] {
    return this.#server.asked.map(lineOf);
  }

  #answer(asked: Asked): unknown {
    if (this.refused.some((pattern) => pattern.test(asked.url))) return new ApiError(500, 10_013);
    for (const [pattern, answer] of this.#routes) {
      const found = pattern.exec(lineOf(asked));
      if (found !== null) return answer(found.slice(1).map(decodeURIComponent), asked.body);
    }
    return NOT_FOUND;
  }

  readonly #routes: Route[] = [
    [/^GET \/storage\/kv\/namespaces\/users\/values\/(.+)$/, ([key = ""]) => this.#value(key)],
    [/^DELETE \/storage\/kv\/namespaces\/users\/values\/(.+)$/, ([key = ""]) => this.#removeValue(key)],
    [/^GET \/storage\/kv\/namespaces\/users\/keys$/, () => this.listed.map((name) => ({ name }))],
    [/^POST \/storage\/kv\/namespaces\/users\/bulk\/get$/, (_, body) => this.#values(body)],
    [/^PUT \/storage\/kv\/namespaces\/users\/bulk$/, (_, body) => this.#putValues(body)],
    [/^GET \/d1\/database\/(?:berth|1{8}-.*)$/, () => (this.database ? DATABASE_INFO : NO_DATABASE)],
    [/^GET \/d1\/database\/(?:berth-2|2{8}-.*)$/, () => (this.second ? SECOND_INFO : NO_DATABASE)],
    [/^GET \/d1\/database$/, () => this.#listDatabases()],
    [/^POST \/d1\/database$/, (_, body) => this.#createDatabase(body)],
    [/^POST \/d1\/database\/1{8}-.*\/query$/, (_, body) => this.#query(this.database, body)],
    [/^POST \/d1\/database\/2{8}-.*\/query$/, (_, body) => this.#query(this.second, body)],
    [/^POST \/d1\/database\/1{8}-.*\/export$/, () => this.#dumps.export()],
    [/^POST \/d1\/database\/1{8}-.*\/import$/, (_, body) => this.#import(body)],
    [/^GET \/d1\/database\/1{8}-.*\/time_travel\/bookmark$/, () => ({ bookmark: BOOKMARK })],
    [
      /^POST \/d1\/database\/1{8}-.*\/time_travel\/restore$/,
      () => ({ bookmark: BOOKMARK, previous_bookmark: BOOKMARK, message: "restored" }),
    ],
    [/^PUT \/workers\/scripts\/berth\/secrets$/, (_, body) => this.#putSecret(body)],
    [/^GET \/dump\.sql$/, () => "CREATE TABLE dumped (id);"],
    [/^GET \/workers\/services\/berth$/, () => (this.worker ? SERVICE : NO_WORKER)],
    [/^GET \/workers\/scripts\/berth\/settings$/, () => (this.worker ? { bindings: BINDINGS } : NOT_FOUND)],
    [/^GET \/r2\/buckets\/berth$/, () => (this.bucket ? { name: "berth" } : NO_BUCKET)],
    [/^GET \/r2\/buckets$/, () => (this.lacks === "r2" ? NO_R2 : { buckets: [] })],
    [/^POST \/r2\/buckets$/, () => this.#create("bucket", { name: "berth" })],
    [/^GET \/storage\/kv\/namespaces$/, () => []],
    [/^POST \/storage\/kv\/namespaces$/, () => this.#create("namespace", { id: "users" })],
    [
      /^PUT \/workers\/scripts\/berth(?:\/versions)?$/,
      () => (this.lacks === "paid" ? FREE_PLAN : this.#create("worker", { id: "berth" })),
    ],
    [/^GET \/client\/v4\/user$/, () => ({ id: "user", email: "alice@example.com" })],
    [/^GET \/client\/v4\/user\/tokens\/verify$/, () => ({ id: "token", status: "active" })],
    [
      /^GET \/client\/v4\/(?:accounts|memberships)$/,
      () => this.accounts.map((id) => ({ id, name: "Example", account: { id, name: "Example" } })),
    ],
    [/^GET \/workers\/subdomain$/, () => ({ subdomain: "account" })],
    [/^GET \/workers\/workers\/berth$/, () => ({ subdomain: { enabled: this.workersDev ?? false } })],
    [/^POST \/workers\/scripts\/berth\/subdomain$/, (_, body) => this.#setSubdomain(body)],
    [
      /^POST \/workers\/scripts\/berth\/domains\/changeset$/,
      () => ({ added: [], removed: [], updated: [], conflicting: [] }),
    ],
    [/^PUT \/workers\/scripts\/berth\/(?:domains\/records|schedules)$/, () => ({})],
  ];

  #value(key: string): unknown {
    return this.values.get(key) ?? NOT_FOUND;
  }

  #values(body: string): unknown {
    const { keys } = JSON.parse(body) as { keys: string[] };
    return { values: Object.fromEntries(keys.map((key) => [key, this.values.get(key) ?? null])) };
  }

  #create(what: "worker" | "bucket" | "namespace", result: unknown): unknown {
    this[what] = true;
    return result;
  }

  #listDatabases(): unknown {
    return [this.database && DATABASE_INFO, this.second && SECOND_INFO].filter((one) => one !== null);
  }

  #createDatabase(body: string): unknown {
    const isSecond = JSON.parse(body).name === SECOND_INFO.name;
    this[isSecond ? "second" : "database"] = new DatabaseSync(":memory:");
    return isSecond ? SECOND_INFO : DATABASE_INFO;
  }

  #query(database: DatabaseSync | null, body: string): unknown {
    if (database === null) return NO_DATABASE;
    const { sql } = JSON.parse(body);
    const meta = { duration: 0 };
    try {
      if (/^\s*SELECT/i.test(sql)) return [{ success: true, results: database.prepare(sql).all(), meta }];
      database.exec(sql);
    } catch (error) {
      return new ApiError(400, 7500, `${(error as Error).message}: SQLITE_ERROR`);
    }
    return [{ success: true, results: [], meta }];
  }

  #import(body: string): unknown {
    if (this.database === null) return NO_DATABASE;
    try {
      return this.#dumps.import(body, this.database);
    } catch (error) {
      return new ApiError(400, 7500, (error as Error).message);
    }
  }

  #putSecret(body: string): unknown {
    const { name, text } = JSON.parse(body);
    this.secrets.set(name, text);
    return { name, type: "secret_text" };
  }

  #setSubdomain(body: string): unknown {
    this.workersDev = JSON.parse(body).enabled;
    return { enabled: this.workersDev, previews_enabled: false };
  }

  #removeValue(key: string): unknown {
    this.values.delete(key);
    return {};
  }

  #putValues(body: string): unknown {
    for (const { key, value } of JSON.parse(body)) this.values.set(key, value);
    return {};
  }
}

function lineOf({ method, url }: Asked): string {
  return `${method} ${url.replace(ACCOUNT, "").split("?", 1)[0]}`;
}
