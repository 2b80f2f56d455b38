/**
 * The store that this run is on, as tests look into it and spoil it: past the Worker, and past what counts calls and
 * breaks them. Where there are several databases, the part of it that the database DB has.
 */

import { env } from "cloudflare:workers";
import { AreaObjects } from "../../src/storage/objects/area.ts";
import type { ObjectInfo, Objects } from "../../src/storage/objects/objects.ts";
import { openObjects } from "../../src/storage/objects/open.ts";
import { areaOf } from "../../src/storage/stores.ts";
import { databaseName, withBaseVariables } from "./settings.ts";
import { unseen } from "./store-calls.ts";

/** As many as R2 lists a call. */
const LISTED = 1000;

type Ask = <T>(question: (objects: Objects) => Promise<T>) => Promise<T>;

/** @param area what the keys begin with, and nobody sees here; "" for all of the store */
const askIn =
  (area: () => string): Ask =>
  (question) => {
    const whole = openObjects(withBaseVariables(env));
    return unseen(() => question(area() === "" ? whole : new AreaObjects(whole, area())));
  };

async function listAll(objects: Objects, prefix: string): Promise<ObjectInfo[]> {
  const all: ObjectInfo[] = [];
  for (let from: string | null = null; ; ) {
    const page = await objects.list(prefix, from, LISTED);
    all.push(...page.objects);
    if (page.next === null) return all;
    from = page.next;
  }
}

const lookingBy = (ask: Ask) => ({
  put: (key: string, bytes: Uint8Array | string) => ask((objects) => objects.put(key, bytes)),

  /** Null when there is no such object. */
  get: (key: string): Promise<Uint8Array | null> =>
    ask(async (objects) => {
      const body = await objects.get(key, null);
      return body && new Response(body).bytes();
    }),

  /** Null when there is no such object. */
  head: (key: string) => ask((objects) => objects.head(key)),

  delete: (keys: string | string[]) => ask((objects) => objects.delete([keys].flat())),

  /** All of them, in the order of their keys. */
  list: (prefix = ""): Promise<ObjectInfo[]> => ask((objects) => listAll(objects, prefix)),

  /** The keys of all. */
  keys: (prefix = ""): Promise<string[]> =>
    ask(async (objects) => (await listAll(objects, prefix)).map(({ key }) => key)),

  /** Drops a multipart upload, as stores do after a week. */
  drop: (key: string, id: string) => ask((objects) => objects.abortMultipart({ key, id })),
});

export const bucket = lookingBy(askIn(() => areaOf(databaseName())));

/** With the parts of all databases. */
export const wholeBucket = lookingBy(askIn(() => ""));
