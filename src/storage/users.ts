/** Users: KV entries, user name → bcrypt hash and rights. */

import { retried } from "./retry.ts";

/** KV's shortest. A change is seen everywhere within this and KV's own 60 s. Seconds. */
const CACHED = 30;

/** The entry as it is stored; null when there is no such user. @param name a valid user name */
export function getUserEntry(users: KVNamespace, name: string): Promise<string | null> {
  return users.get(name, { cacheTtl: CACHED });
}

/** Replaces the entry, or adds it. It is claimed before: see user-changes.ts. @throws Unavailable */
export function putUserEntry(users: KVNamespace, name: string, entry: string): Promise<void> {
  return retried("the users' store", () => users.put(name, entry), isPassing);
}

/** @throws Unavailable */
export function deleteUserEntry(users: KVNamespace, name: string): Promise<void> {
  return retried("the users' store", () => users.delete(name), isPassing);
}

/** What KV refuses is away, or too many writes a second of one key. */
function isPassing(): boolean {
  return true;
}

/** Keys that one call of KV lists, of which those with a slash are no users. */
const LISTED = 50;

/** Calls for one page. */
const MAX_LISTS = 20;

/**
 * Names of users, a page of them, as KV has them: changes of the last minute may be missing.
 * @param isName tells users from what is kept beside them
 * @param cursor what an earlier page named as next; null for the first
 * @returns `next`: null on the last page. A page may be empty, and not the last.
 */
export async function listUserNames(
  users: KVNamespace,
  isName: (key: string) => boolean,
  cursor: string | null,
): Promise<{ names: string[]; next: string | null }> {
  let next = cursor;
  for (let lists = 0; lists < MAX_LISTS; lists++) {
    const page = await listFrom(users, next);
    const names = page.keys.map(({ name }) => name).filter(isName);
    next = page.list_complete ? null : page.cursor;
    if (names.length > 0 || next === null) return { names, next };
  }
  return { names: [], next };
}

/** What was no cursor of KV's begins anew. */
async function listFrom(users: KVNamespace, cursor: string | null) {
  try {
    return await users.list({ limit: LISTED, cursor });
  } catch (error) {
    if (cursor === null) throw error;
    return users.list({ limit: LISTED });
  }
}
