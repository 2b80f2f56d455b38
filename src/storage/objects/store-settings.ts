/** What the settings say of the store. Messages name a setting, and never show a secret. */

import type { AzureLogin } from "./azure-container.ts";
import type { Links } from "./objects.ts";
import { s3Links } from "./signed-url.ts";

/** Secrets, which are no variables of wrangler.toml: absent until they are put. */
export interface StoreSecrets {
  STORE_ACCESS_KEY_ID?: string;
  STORE_SECRET_ACCESS_KEY?: string;
  STORE_SAS?: string;
  STORE_FALLBACK_ACCESS_KEY_ID?: string;
  STORE_FALLBACK_SECRET_ACCESS_KEY?: string;
  STORE_FALLBACK_SAS?: string;
  R2_ACCESS_KEY_ID?: string;
  R2_SECRET_ACCESS_KEY?: string;
}

export type StoreEnv = Pick<
  Env,
  | ("BUCKET" | "R2_S3_ENDPOINT")
  | ("STORE" | "STORE_URL" | "STORE_REGION")
  | ("STORE_FALLBACK" | "STORE_FALLBACK_URL" | "STORE_FALLBACK_REGION")
> &
  StoreSecrets;

/** The same settings, of the old store. */
export function fallbackOf(env: StoreEnv): StoreEnv {
  return {
    ...env,
    STORE: env.STORE_FALLBACK,
    STORE_URL: env.STORE_FALLBACK_URL,
    STORE_REGION: env.STORE_FALLBACK_REGION,
    STORE_ACCESS_KEY_ID: env.STORE_FALLBACK_ACCESS_KEY_ID ?? "",
    STORE_SECRET_ACCESS_KEY: env.STORE_FALLBACK_SECRET_ACCESS_KEY ?? "",
    STORE_SAS: env.STORE_FALLBACK_SAS ?? "",
  };
}

/** Without TLS only on this machine, as bodies are not signed. */
const URL_OF_STORE = /^(https:\/\/|http:\/\/(localhost|127\.0\.0\.1)[:/])[^?#@]*[^/?#@]$/;

/** R2's binding signs nothing: its S3 endpoint does. Null where that is not set. */
export function r2LinksOf(env: StoreEnv): Links | null {
  const { R2_S3_ENDPOINT: url, R2_ACCESS_KEY_ID: accessKeyId, R2_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey || !URL_OF_STORE.test(url) || !URL.canParse(url)) return null;
  return s3Links({ url, region: "auto", accessKeyId, secretAccessKey });
}

/** Where the store's bucket is. @throws Error */
export function urlOf({ STORE, STORE_URL: url }: StoreEnv): string {
  if (URL_OF_STORE.test(url) && URL.canParse(url)) return url;
  throw new Error(
    `the setting STORE_URL is ${JSON.stringify(url)}, but must be the https address of the bucket for ` +
      `STORE=${STORE}, without a slash at its end`,
  );
}

/** @throws Error */
export function keysOf(env: StoreEnv): { accessKeyId: string; secretAccessKey: string } {
  const { STORE, STORE_ACCESS_KEY_ID: accessKeyId, STORE_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey };
  throw new Error(
    `the secrets STORE_ACCESS_KEY_ID and STORE_SECRET_ACCESS_KEY must be put for STORE=${STORE}`,
  );
}

/** By the account's key, or by a shared access signature. @throws Error */
export function azureLoginOf(env: StoreEnv): AzureLogin {
  const { STORE_ACCESS_KEY_ID: account, STORE_SECRET_ACCESS_KEY: key, STORE_SAS } = env;
  const sas = STORE_SAS?.replace(/^\?/, "");
  if (sas && !key) {
    if (new URLSearchParams(sas).has("sig")) return { sas };
    throw new Error('the secret STORE_SAS must be a shared access signature, like "sv=…&sig=…"');
  }
  if (account && key && !sas && /^[A-Za-z0-9+/]+=*$/.test(key))
    return { account, key: Buffer.from(key, "base64") };
  throw new Error(
    "for STORE=azure put the secrets STORE_ACCESS_KEY_ID (the storage account's name) and STORE_SECRET_ACCESS_KEY " +
      "(one of its keys, as it is shown), or STORE_SAS alone",
  );
}
