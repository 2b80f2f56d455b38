/**
 * Where the objects are, as the database has it, against what the settings say: so that no store can be left unnoticed
 * while it has objects that no other has. A move (scrub/move.ts) ends with a pass that has found nothing left in the
 * old store. Passes run beside uploads, and one that ends in the old store meanwhile, because it began there, is noted
 * together with its commit: then the pass does not count.
 */

import { log } from "../log.ts";
import type { Database } from "./database.ts";
import { type StoreEnv, StoreSettings } from "./objects/store-settings.ts";

/** Stores by their kind and address: "r2", "s3 https://s3.eu-central-1.amazonaws.com/berth". */
export interface Whereabouts {
  /** Where new objects go; null when that has never been noted. */
  store: string | null;
  /** What may have objects that the first has not; null for none. */
  old: string | null;
}

/** What the settings say. */
function settingsOf(env: StoreEnv): { store: string; old: string | null } {
  const old = env.STORE_FALLBACK === "" ? null : new StoreSettings(env, "STORE_FALLBACK").place;
  return { store: new StoreSettings(env, "STORE").place, old };
}

/** Stores that have objects, and that the settings do not name: nothing there can be read. */
export function outOfReach(env: StoreEnv, { store, old }: Whereabouts): string[] {
  const named: (string | null)[] = Object.values(settingsOf(env));
  return [store, old].filter((place) => place !== null && !named.includes(place)) as string[];
}

/**
 * Notes a store that is new to the registry, if every one that has objects is still named; else says in the log that
 * one is not. Can be repeated.
 * @param dbs all databases of the registry @param noted what the main one has
 * @throws Unavailable
 */
export async function noteStores(env: StoreEnv, dbs: Database[], noted: Whereabouts): Promise<void> {
  const lost = outOfReach(env, noted);
  if (lost.length > 0) log("objects-out-of-reach", { stores: lost, ...settingsOf(env) }, "error");
  else if (noted.store !== settingsOf(env).store) await acceptStores(env, dbs);
}

/**
 * Takes the settings' word for it that all objects are where they say. Can be repeated.
 * @param dbs all databases of the registry @throws Unavailable
 */
export async function acceptStores(env: StoreEnv, dbs: Database[]): Promise<void> {
  const { store, old } = settingsOf(env);
  for (const db of dbs) {
    await db
      .prepare(
        `UPDATE registry SET store = ?1, old_store = ?2, move_pass = NULL
         WHERE id = 1 AND (store IS NOT ?1 OR old_store IS NOT ?2)`,
      )
      .bind(store, old)
      .all();
  }
}

/** @throws Unavailable */
export async function readWhereabouts(db: Database): Promise<Whereabouts> {
  const row = await db
    .prepare(`SELECT store, old_store AS old FROM registry WHERE id = 1`)
    .first<Whereabouts>();
  return row ?? { store: null, old: null };
}

/** How that stands to the settings. */
export interface Standing {
  /** Where new objects go. */
  store: string;
  /** Stores that may have objects which that one has not: they have to be named by the settings. */
  old: string[];
  /** Those of all that the settings do not name. */
  outOfReach: string[];
}

/** @param noted what each database has */
export function standingOf(env: StoreEnv, noted: Whereabouts[]): Standing {
  const { store } = settingsOf(env);
  const old = noted
    .flatMap((one) => [one.store, one.old])
    .filter((place) => place !== null && place !== store);
  const lost = noted.flatMap((one) => outOfReach(env, one));
  return { store, old: [...new Set(old as string[])], outOfReach: [...new Set(lost)] };
}

/** Begins a pass. @param pass its name @throws Unavailable */
export async function beginPass(db: Database, pass: string): Promise<void> {
  await db.prepare(`UPDATE registry SET move_pass = ?1 WHERE id = 1`).bind(pass).all();
}

/**
 * Ends a pass that has left nothing behind. Can be repeated.
 * @returns false when an upload has ended in the old store since it began, or another pass has begun
 * @throws Unavailable
 */
export async function endPass(db: Database, pass: string): Promise<boolean> {
  const row = await db
    .prepare(`UPDATE registry SET old_store = NULL WHERE id = 1 AND move_pass = ?1 RETURNING 1`)
    .bind(pass)
    .first();
  return row !== null;
}

/**
 * Notes that an upload is about to end in the old store, under a key that is registered already: see the trigger
 * pending_object_in_old_store. @throws Unavailable
 */
export async function noteLateUpload(db: Database, env: StoreEnv, key: string): Promise<void> {
  await db
    .prepare(`UPDATE pending_objects SET old_store = ?1 WHERE object_key = ?2`)
    .bind(settingsOf(env).old, key)
    .all();
}
