/**
 * Lists of what the caller may see. For one who may pull everything the database skips what a folder holds; for
 * others names are looked through, so many for a page, as the catalog does. Then a page is shorter, or empty, and the
 * next one goes on from there.
 */

import type { Access } from "../auth/access.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { listFolder, listNames } from "../storage/browse/names.ts";
import { getRepositoryId, getRepositoryName } from "../storage/catalog-cursor.ts";
import type { Database } from "../storage/database.ts";

/** How many names are read at once, and for one page. */
const READ_AT_ONCE = 2500;
const LOOKED_THROUGH = 10_000;

export interface Wanted {
  /** With the slash at its end; "" for all. */
  folder: string;
  /** A part of a name; "" for what is in the folder. */
  part: string;
  /** What an earlier page named as next; null for the first. */
  after: string | null;
  limit: number;
}

export interface Found {
  /** Names of repositories, and folders, which end with a slash. */
  entries: string[];
  /** Null on the last page. */
  next: string | null;
}

export async function findRepositories(db: Database, access: Access, wanted: Wanted): Promise<Found> {
  const after = await beginning(db, wanted.after);
  if (!access.pullsEverything || wanted.part !== "") return lookThrough(db, access, wanted, after);
  const entries = await listFolder(db, wanted.folder, after, wanted.limit + 1);
  return cut(entries, wanted.limit);
}

function cut(entries: string[], limit: number): Found {
  const page = entries.slice(0, limit);
  return { entries: page, next: entries.length > limit ? (page.at(-1) ?? null) : null };
}

async function lookThrough(db: Database, access: Access, wanted: Wanted, after: string): Promise<Found> {
  const entries = new Set<string>();
  let last = after;
  for (let looked = 0; looked < LOOKED_THROUGH; looked += READ_AT_ONCE) {
    const names = await listNames(db, wanted.folder, last, READ_AT_ONCE);
    for (const name of names) {
      if (!isWanted(name, wanted) || !access.holds("pull", name)) continue;
      entries.add(wanted.part === "" ? entryOf(name, wanted.folder) : name);
      if (entries.size > wanted.limit) return cut([...entries], wanted.limit);
    }
    if (names.length < READ_AT_ONCE) return { entries: [...entries], next: null };
    // Of a folder that is found, the rest need not be read.
    const found = [...entries].at(-1) ?? "";
    const read = names.at(-1) ?? "";
    last = found.endsWith("/") && read.startsWith(found) ? found : read;
  }
  return { entries: [...entries], next: await stopAt(db, access, last) };
}

function isWanted(name: RepositoryName, { folder, part, after }: Wanted): boolean {
  if (part !== "") return name.includes(part, folder.length);
  return !(after?.endsWith("/") && name.startsWith(after) && after !== folder);
}

function entryOf(name: string, folder: string): string {
  const slash = name.indexOf("/", folder.length);
  return slash < 0 ? name : name.slice(0, slash + 1);
}

/** The name itself would tell of a repository that the caller may not know of: a number stands for it. */
async function stopAt(db: Database, access: Access, last: string): Promise<string | null> {
  if (last.endsWith("/") || access.holds("pull", last)) return last;
  const id = await getRepositoryId(db, last);
  return id === null ? null : `.${id}`;
}

/** No name begins with a dot. What has gone since begins anew. */
async function beginning(db: Database, after: string | null): Promise<string> {
  if (after === null || after.length > 300) return "";
  if (!after.startsWith(".")) return after;
  const id = after.slice(1);
  return /^\d{1,15}$/.test(id) ? ((await getRepositoryName(db, Number(id))) ?? "") : "";
}
