/**
 * The stores behind the registry, each behind its door. There may be several databases (placement.ts): whoever asks
 * one says whose question it is, a repository's, that of all, or of nothing that lies in a repository.
 */

import { type Database, openDatabase } from "./database.ts";
import { AreaObjects } from "./objects/area.ts";
import { IDENTITY_KEY } from "./objects/keys.ts";
import { type Move, MovingObjects } from "./objects/moving.ts";
import type { Objects } from "./objects/objects.ts";
import { openMove, openObjects } from "./objects/open.ts";
import type { StoreEnv } from "./objects/store-settings.ts";
import { databasesOf, MAIN, type PlacementEnv, readPlacement } from "./placement.ts";
import { noteLateUpload } from "./whereabouts.ts";

/** What they are opened with. */
export type StoresEnv = PlacementEnv & StoreEnv;

export interface Stores {
  /** The database's binding. */
  name: string;
  db: Database;
  /** Those of this database, and no others. */
  objects: Objects;
}

/**
 * Those that hold a repository, or would; nothing is asked of any yet.
 * @throws Error naming a setting that makes no sense: config.ts has seen it first
 * @param databaseLimit for those who add to the database, and have it refused in time. Bytes.
 */
export function storesOf(env: StoresEnv, repository: string, databaseLimit?: number): Stores {
  return openStores(env, readPlacement(env).placeOf(repository).database, databaseLimit);
}

/** Those of what lies in no repository: keys, counters, events of logins. Else as {@link storesOf}. */
export function mainStores(env: StoresEnv, databaseLimit?: number): Stores {
  return openStores(env, MAIN, databaseLimit);
}

/** Those of all databases, the main one first. Else as {@link storesOf}. */
export function allStores(env: StoresEnv, databaseLimit?: number): Stores[] {
  return databasesOf(env).map((name) => openStores(env, name, databaseLimit));
}

/** All databases, the main one first, without the objects of any. */
export function allDatabases(env: StoresEnv): Database[] {
  return databasesOf(env).map((name) => openDatabase(env, name));
}

/** Asks the object store for something small; of two between which objects move, both. @throws Unavailable */
export async function askObjectStores(env: StoresEnv): Promise<void> {
  const objects = openObjects(env);
  const all = objects instanceof MovingObjects ? [objects.to, objects.from] : [objects];
  await Promise.all(all.map((one) => one.head(IDENTITY_KEY)));
}

/** Those of one database. @param name its binding, as {@link readPlacement} has it */
export function openStores(env: StoresEnv, name: string, databaseLimit?: number): Stores {
  const db = openDatabase(env, name, databaseLimit);
  const objects = openObjects(env);
  const area = areaOf(name);
  if (objects instanceof MovingObjects)
    objects.beforeOldEnds = (key) => noteLateUpload(db, env, key.slice(area.length));
  return {
    name,
    db,
    objects: area === "" ? objects : new AreaObjects(objects, area),
  };
}

/** As `openMove` has it, of the objects of one database alone. */
export function openMoveOf(env: StoresEnv, { name }: Stores): Move | null {
  const move = openMove(env);
  const area = areaOf(name);
  if (move === null || area === "") return move;
  return { to: new AreaObjects(move.to, area), from: new AreaObjects(move.from, area) };
}

/** What the keys of a database's objects begin with in the store they share; nothing for the main one. */
export function areaOf(name: string): string {
  return name === MAIN ? "" : `${name}/`;
}
