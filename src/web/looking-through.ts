/**
 * Lists of what the caller may see. For one who may pull everything the database skips what a folder holds; for
 * others names are looked through, so many for a page, as the catalog does. Then a page is shorter, or empty, and the
 * next one goes on from there.
 */

import type { Access } from "../auth/access.ts";
import type { RepositoryName } from "../oci/reference.ts";
import {
  findPosition,
  hidePosition,
  listAcross,
  type Names,
  type Position,
} from "../storage/across/names.ts";
import { formatRank, listRankedAcross, parseRank, type Rank } from "../storage/across/ranking.ts";
import { listFolder, listNames } from "../storage/browse/names.ts";
import type { Ranking } from "../storage/browse/ranking.ts";
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

export async function findRepositories(env: Env, access: Access, wanted: Wanted): Promise<Found> {
  const after = await beginning(env, wanted.after);
  if (!access.pullsEverything || wanted.part !== "") return lookThrough(env, access, wanted, after);
  const list = (db: Database, limit: number) => listFolder(db, wanted.folder, after, limit);
  const { names, end } = await listAcross(env, list, wanted.limit + 1);
  const page = cut(names, wanted.limit);
  return page.next === null && end !== null ? { entries: names, next: end.name } : page;
}

/** Repositories alone, from whatever folder of the wanted one, those of the highest rank first. */
export async function findRanked(
  env: Env,
  access: Access,
  { folder, part, after, limit }: Wanted,
  ranking: Ranking,
): Promise<Found> {
  const seesAll = access.pullsEverything && folder === "" && part === "";
  const entries: RepositoryName[] = [];
  let last = parseRank(env, after ?? "");
  for (
    let looked = 0, atOnce = seesAll ? limit + 1 : READ_AT_ONCE;
    looked < LOOKED_THROUGH;
    looked += atOnce
  ) {
    const { found, end } = await listRankedAcross(env, ranking, last, atOnce);
    for (const one of found) {
      if (!one.name.startsWith(folder) || !one.name.includes(part, folder.length)) continue;
      if (!access.holds("pull", one.name)) continue;
      if (entries.length === limit) return { entries, next: formatRank(last as Rank) };
      entries.push(one.name);
      last = one;
    }
    if (end === null) return { entries, next: null };
    last = end;
    // What a move has left behind can be any number.
    atOnce = READ_AT_ONCE;
  }
  return { entries, next: formatRank(last as Rank) };
}

function cut(entries: string[], limit: number): Found {
  const page = entries.slice(0, limit);
  return { entries: page, next: entries.length > limit ? (page.at(-1) ?? null) : null };
}

async function lookThrough(env: Env, access: Access, wanted: Wanted, after: string): Promise<Found> {
  const entries = new Set<string>();
  let last = after;
  let end: Position | null = null;
  for (let looked = 0; looked < LOOKED_THROUGH; looked += READ_AT_ONCE) {
    const list = (db: Database, limit: number) => listNames(db, wanted.folder, last, limit);
    const read: Names<RepositoryName> = await listAcross(env, list, READ_AT_ONCE);
    for (const name of read.names) {
      if (!isWanted(name, wanted) || !access.holds("pull", name)) continue;
      entries.add(wanted.part === "" ? entryOf(name, wanted.folder) : name);
      if (entries.size > wanted.limit) return cut([...entries], wanted.limit);
    }
    end = read.end;
    if (end === null) return { entries: [...entries], next: null };
    // Of a folder that is found, the rest need not be read.
    const found = [...entries].at(-1) ?? "";
    last = found.endsWith("/") && end.name.startsWith(found) ? found : end.name;
  }
  return { entries: [...entries], next: await stopAt(env, access, last, end) };
}

function isWanted(name: RepositoryName, { folder, part, after }: Wanted): boolean {
  if (part !== "") return name.includes(part, folder.length);
  return !(after?.endsWith("/") && name.startsWith(after) && after !== folder);
}

function entryOf(name: string, folder: string): string {
  const slash = name.indexOf("/", folder.length);
  return slash < 0 ? name : name.slice(0, slash + 1);
}

/** The name itself would tell of a repository that the caller may not know of: a position stands for it. */
async function stopAt(env: Env, access: Access, last: string, end: Position | null): Promise<string | null> {
  if (end === null || last.endsWith("/") || access.holds("pull", last)) return last;
  const hidden = await hidePosition(env, end);
  return hidden === null ? null : `.${hidden}`;
}

/** No name begins with a dot. What has gone since begins anew. */
async function beginning(env: Env, after: string | null): Promise<string> {
  if (after === null || after.length > 300) return "";
  return after.startsWith(".") ? ((await findPosition(env, after.slice(1))) ?? "") : after;
}
