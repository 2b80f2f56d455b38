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

function ask<T>(question: (objects: Objects) => Promise<T>): Promise<T> {
  const whole = openObjects(withBaseVariables(env));
  const area = areaOf(databaseName());
  return unseen(() => question(area === "" ? whole : new AreaObjects(whole, area)));
}

export const bucket = {
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
  list: (prefix = ""): Promise<ObjectInfo[]> =>
    ask(async (objects) => {
      const all: ObjectInfo[] = [];
      for (let from: string | null = null; ; ) {
        const page = await objects.list(prefix, from, LISTED);
        all.push(...page.objects);
        if (page.next === null) return all;
        from = page.next;
      }
    }),

  /** The keys of all. */
  keys: async (prefix = ""): Promise<string[]> => (await bucket.list(prefix)).map(({ key }) => key),

  /** Drops a multipart upload, as stores do after a week. */
  drop: (key: string, id: string) => ask((objects) => objects.abortMultipart({ key, id })),
};
