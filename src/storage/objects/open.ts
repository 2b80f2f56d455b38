/** Which store the objects are in. Another one is a file beside this, and a line in STORES. */

import { AzureObjects } from "./azure.ts";
import { AzureContainer } from "./azure-container.ts";
import { MovingObjects } from "./moving.ts";
import type { Objects } from "./objects.ts";
import { R2Objects } from "./r2.ts";
import { S3Objects } from "./s3.ts";
import { S3Bucket } from "./s3-bucket.ts";
import { azureLoginOf, fallbackOf, keysOf, r2LinksOf, type StoreEnv, urlOf } from "./store-settings.ts";

/** By what STORE says. Each throws an Error that names the setting that makes no sense. */
const STORES: Record<string, (env: StoreEnv) => Objects> = {
  r2: (env) => new R2Objects(env.BUCKET, r2LinksOf(env)),
  s3: (env) => new S3Objects(new S3Bucket({ ...s3Of(env), region: env.STORE_REGION || null }), true),
  // It answers S3's requests, but for the one that deletes many keys.
  gcs: (env) => new S3Objects(new S3Bucket({ ...s3Of(env), region: env.STORE_REGION || "auto" }), false),
  azure: (env) => new AzureObjects(new AzureContainer(urlOf(env), azureLoginOf(env))),
};

/** Opens it; nothing is asked of it yet. @throws Error naming the setting that makes no sense */
export function openObjects(env: StoreEnv): Objects {
  return openMove(env) ?? openOne(env);
}

/** The two stores that objects move between; null when they do not. @throws as {@link openObjects} */
export function openMove(env: StoreEnv): MovingObjects | null {
  if (env.STORE_FALLBACK === "") return null;
  const old = fallbackOf(env);
  if (old.STORE === env.STORE && (old.STORE === "r2" || old.STORE_URL === env.STORE_URL))
    throw new Error(
      "the setting STORE_FALLBACK names the same store as STORE: take it away, or name the old one",
    );
  const to = openOne(env);
  try {
    return new MovingObjects(to, openOne(old));
  } catch (error) {
    throw new Error((error as Error).message.replaceAll("STORE", "STORE_FALLBACK"));
  }
}

function openOne(env: StoreEnv): Objects {
  const open = Object.hasOwn(STORES, env.STORE) ? STORES[env.STORE] : undefined;
  if (open !== undefined) return open(env);
  const names = Object.keys(STORES).map((name) => JSON.stringify(name));
  throw new Error(`the setting STORE is ${JSON.stringify(env.STORE)}, but must be ${names.join(" or ")}`);
}

function s3Of(env: StoreEnv) {
  return { url: urlOf(env), ...keysOf(env) };
}
