/** Which store the objects are in. Another one is a file, or a folder with one door, beside this, and a line in STORES. */

import { openAzure } from "./azure/azure.ts";
import { openDisk } from "./disk/disk.ts";
import { openGcs } from "./gcs.ts";
import { MovingObjects } from "./moving.ts";
import type { Objects } from "./objects.ts";
import { openR2 } from "./r2.ts";
import { openS3 } from "./s3/s3.ts";
import { type OpenStore, type StoreEnv, StoreSettings } from "./store-settings.ts";

/** By what STORE says. */
export const STORES: Record<string, OpenStore> = {
  r2: openR2,
  s3: openS3,
  gcs: openGcs,
  azure: openAzure,
  disk: openDisk,
};

/** Opens it; nothing is asked of it yet. @throws Error naming the setting that makes no sense */
export function openObjects(env: StoreEnv): Objects {
  return openMove(env) ?? openOne(new StoreSettings(env, "STORE"));
}

/** The two stores that objects move between; null when they do not. @throws as {@link openObjects} */
export function openMove(env: StoreEnv): MovingObjects | null {
  if (env.STORE_FALLBACK === "") return null;
  const to = new StoreSettings(env, "STORE");
  const from = new StoreSettings(env, "STORE_FALLBACK");
  if (to.place === from.place)
    throw new Error(
      "the setting STORE_FALLBACK names the same store as STORE: take it away, or name the old one",
    );
  return new MovingObjects(openOne(to), openOne(from));
}

function openOne(settings: StoreSettings): Objects {
  const { kind } = settings;
  const open = Object.hasOwn(STORES, kind) ? STORES[kind] : undefined;
  if (open !== undefined) return open(settings);
  const names = Object.keys(STORES).map((name) => JSON.stringify(name));
  throw new Error(
    `the setting ${settings.which} is ${JSON.stringify(kind)}, but must be ${names.join(" or ")}`,
  );
}
