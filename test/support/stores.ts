/** The stores that the tests have: each for what it is. */

import { env } from "cloudflare:workers";
import type { Objects } from "../../src/storage/objects/objects.ts";
import { openObjects } from "../../src/storage/objects/open.ts";
import { S3_KEYS } from "./s3-keys.ts";

/** Settings of the Worker, secrets too. */
export type StoreVariables = Record<string, string>;

/** R2's simulator by its binding. */
const R2: StoreVariables = { STORE: "r2" };

/** The same bucket behind miniflare's S3 endpoint, which checks signatures as S3 does. */
async function s3(): Promise<StoreVariables> {
  const where = await (await env.WHERE.fetch("http://where/")).text();
  return {
    STORE: "s3",
    STORE_URL: `${where}cdn-cgi/local/r2/s3/berth`,
    STORE_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
    STORE_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
  };
}

export const STORES = { r2: async () => R2, s3 } as const satisfies Record<
  string,
  () => Promise<StoreVariables>
>;
export type StoreName = keyof typeof STORES;

declare module "vitest" {
  interface ProvidedContext {
    /** On which store the Worker is; r2 where absent. */
    store?: StoreName;
  }
}

/** What the settings of a store open. */
export function openWith(variables: StoreVariables): Objects {
  return openObjects({ ...env, ...variables });
}
