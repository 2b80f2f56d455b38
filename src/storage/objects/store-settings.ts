/**
 * What the settings say of one store: each store reads what it needs here, when it is opened. Messages name a setting,
 * and never show a secret.
 */

import type { Objects } from "./objects.ts";

/** Opens a store; nothing is asked of it yet. @throws Error naming the setting that makes no sense */
export type OpenStore = (settings: StoreSettings) => Objects;

export type StoreEnv = Pick<
  Env,
  | ("BUCKET" | "R2_S3_ENDPOINT")
  | ("STORE" | "STORE_URL" | "STORE_REGION")
  | ("STORE_FALLBACK" | "STORE_FALLBACK_URL" | "STORE_FALLBACK_REGION")
>;

/** Without TLS only on this machine, as bodies are not signed. */
const URL_OF_STORE = /^(https:\/\/|http:\/\/(localhost|127\.0\.0\.1)[:/])[^?#@]*[^/?#@]$/;

export function isStoreUrl(url: string): boolean {
  return URL_OF_STORE.test(url) && URL.canParse(url);
}

export class StoreSettings {
  readonly env: StoreEnv;
  /** The one that is written to, or the one that objects are moved from. */
  readonly which: "STORE" | "STORE_FALLBACK";

  constructor(env: StoreEnv, which: "STORE" | "STORE_FALLBACK") {
    this.env = env;
    this.which = which;
  }

  /** As in STORES (open.ts). */
  get kind(): string {
    return this.env[this.which];
  }

  /** How an administrator calls a setting of this store's: of "URL", STORE_URL or STORE_FALLBACK_URL. */
  nameOf(what: string): string {
    return `${this.which}_${what}`;
  }

  /** A setting or a secret, by its name without the store's; "" when it is not set. */
  valueOf(what: string): string {
    const value = (this.env as unknown as Record<string, unknown>)[this.nameOf(what)];
    return typeof value === "string" ? value : "";
  }

  /** Which store it is, without how it is asked: its kind and address. */
  get place(): string {
    return `${this.kind} ${this.valueOf("URL")}`.trimEnd();
  }

  /** What a message calls this store: "STORE=s3". */
  toString(): string {
    return `${this.which}=${this.kind}`;
  }

  /** Where the store's bucket is. @throws Error */
  get url(): string {
    const url = this.valueOf("URL");
    if (isStoreUrl(url)) return url;
    throw new Error(
      `the setting ${this.nameOf("URL")} is ${JSON.stringify(url)}, but must be the https address of the bucket for ` +
        `${this}, without a slash at its end`,
    );
  }

  /** @throws Error */
  get keys(): { accessKeyId: string; secretAccessKey: string } {
    const accessKeyId = this.valueOf("ACCESS_KEY_ID");
    const secretAccessKey = this.valueOf("SECRET_ACCESS_KEY");
    if (accessKeyId !== "" && secretAccessKey !== "") return { accessKeyId, secretAccessKey };
    const [id, secret] = [this.nameOf("ACCESS_KEY_ID"), this.nameOf("SECRET_ACCESS_KEY")];
    throw new Error(`the secrets ${id} and ${secret} must be put for ${this}`);
  }
}
