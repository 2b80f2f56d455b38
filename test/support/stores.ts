/** The stores that the tests have: each for what it is. */

import { env } from "cloudflare:workers";
import { beforeEach, inject } from "vitest";
import { AzureContainer } from "../../src/storage/objects/azure/container.ts";
import { Folder } from "../../src/storage/objects/disk/folder.ts";
import type { Objects } from "../../src/storage/objects/objects.ts";
import { STORES as OPENED_BY, openObjects } from "../../src/storage/objects/open.ts";
import { S3Bucket } from "../../src/storage/objects/s3/bucket.ts";
import { AZURITE } from "./azurite-account.ts";
import { openMemory } from "./memory-store.ts";
import { S3_KEYS } from "./s3-keys.ts";
import { setBaseVariables } from "./settings.ts";

// What a store of one's own takes.
OPENED_BY.memory = openMemory;

/** Settings of the Worker, secrets too. */
export type StoreVariables = Record<string, string>;

/** R2's simulator by its binding. */
const R2: StoreVariables = { STORE: "r2" };

/** The folder that `npm start` has: an empty one. */
async function disk(): Promise<StoreVariables> {
  const folder = new Folder(env.DISK);
  for (const name of await folder.list("")) await folder.remove(name);
  return { STORE: "disk" };
}

/** The same bucket behind miniflare's S3 endpoint, which checks signatures as S3 does. */
async function s3(bucket = "berth"): Promise<StoreVariables> {
  const where = await (await env.WHERE.fetch("http://where/")).text();
  return {
    STORE: "s3",
    STORE_URL: `${where}cdn-cgi/local/r2/s3/${bucket}`,
    STORE_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
    STORE_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
  };
}

/** The other bucket, env.OTHER, which objects are moved to. */
export const otherStore = () => s3("other");

/** On the way from one store to another. */
export function moveBetween(from: StoreVariables, to: StoreVariables): StoreVariables {
  const old = Object.entries(from).map(([name, value]) => [name.replace("STORE", "STORE_FALLBACK"), value]);
  return { ...to, ...Object.fromEntries(old) };
}

async function moving(): Promise<StoreVariables> {
  return moveBetween(R2, await otherStore());
}

/** The same, asked as Google Cloud Storage is. */
async function gcs(): Promise<StoreVariables> {
  return { ...(await s3()), STORE: "gcs" };
}

/** A new container of azurite. */
async function azure(): Promise<StoreVariables> {
  const url = `${inject("azurite")}/c${crypto.randomUUID()}`;
  const key = Buffer.from(AZURITE.key, "base64");
  const container = new AzureContainer(url, { account: AZURITE.account, key });
  await container.call("PUT", null, { query: { restype: "container" } });
  return {
    STORE: "azure",
    STORE_URL: url,
    STORE_ACCESS_KEY_ID: AZURITE.account,
    STORE_SECRET_ACCESS_KEY: AZURITE.key,
  };
}

/** A new bucket of a real server of S3: S3_SERVER is its address, like that of radosgw.sh. */
async function server(): Promise<StoreVariables> {
  const url = `${inject("s3Server")}/b${crypto.randomUUID()}`;
  await new S3Bucket({ url, region: null, ...S3_KEYS }).call("PUT", null);
  return {
    STORE: "s3",
    STORE_URL: url,
    STORE_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
    STORE_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
  };
}

/** A new one. */
async function memory(): Promise<StoreVariables> {
  return {
    STORE: "memory",
    STORE_URL: `https://memory.invalid/${crypto.randomUUID()}`,
    STORE_WORD: "open sesame",
  };
}

/** Why a store cannot be tested here; null when it can. */
export function lacking(store: StoreName): string | null {
  if (store === "azure" && inject("azurite") === null) return "AZURITE_HOME is not set";
  if (store === "server" && !inject("s3Server")) return "S3_SERVER is not set";
  return null;
}

export const STORES = {
  r2: async () => R2,
  disk,
  s3: () => s3(),
  gcs,
  azure,
  moving,
  server,
  memory,
} as const satisfies Record<string, () => Promise<StoreVariables>>;
export type StoreName = keyof typeof STORES;

declare module "vitest" {
  interface ProvidedContext {
    /** On which store the Worker is; r2 where absent. */
    store?: StoreName;
    /** Where a real server of S3 is; "" for none. */
    s3Server?: string;
    /** How many databases the Worker has; 1 where absent. */
    databases?: 1 | 3;
  }
}

/** Whether this run is on several databases. */
export const SEVERAL = inject("databases") === 3;

/** For a file whose tests are about R2: whatever store the run is on. */
export function onR2(): void {
  beforeEach(() => setBaseVariables({}));
}

/** What the settings of a store open. */
export function openWith(variables: StoreVariables): Objects {
  return openObjects({ ...env, ...variables });
}
