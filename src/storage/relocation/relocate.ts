/**
 * Moves repositories from the database that they lie in to the one where the setting DATABASES wants them, a page a
 * call (docs/databases.md):
 *
 *   team=DB         pushed to and pulled from DB
 *   team=DB>DB_2    pulled from DB, and nothing is pushed: a pass of this copies all of it to DB_2
 *   team=DB_2       pushed to and pulled from DB_2: a pass of this takes away what was left in DB
 *
 * A copy is made as a push is, verified on the way; DB_2 shows none of it before the setting says so. A repository is
 * taken away only when it was copied whole, and nothing has been pushed to it since. So a pass can stop anywhere,
 * and be repeated; whoever leaves out the second line loses nothing, and is told what was left behind.
 */

import type { RepositoryName } from "../../oci/reference.ts";
import type { Actor } from "../audit.ts";
import { type Place, readPlacement } from "../placement.ts";
import type { ScrubPage } from "../scrub/findings.ts";
import { type Limits, PageRun } from "../scrub/scrub.ts";
import type { Items, Walk } from "../scrub/walk.ts";
import { openStores, type Stores, type StoresEnv } from "../stores.ts";
import { copyManifest, type Removal } from "./copying.ts";
import {
  beginCopy,
  clearSome,
  copiedSince,
  countManifests,
  dateRepository,
  finishCopy,
  listAllNames,
  listMoving,
} from "./rows.ts";

export interface RelocationPage extends ScrubPage {
  /** How many manifests this page has copied. */
  moved: number;
  /** Repositories that lie elsewhere than the setting says, and have not been copied whole. */
  left: RepositoryName[];
}

/** Each manifest takes some ten queries, and four for a blob that is not there yet: D1 allows 1,000 an invocation. */
const LIMITS: Limits = { items: 20, lists: 40, bytes: 2 * 1024 ** 3, duration: 20_000 };

/** Names that are read at once. */
const NAMES = 1000;

/**
 * One page of what leaves a database.
 * @param after what the page before named as next; null begins at the first
 * @throws Unavailable, DatabaseFull when nothing was done; later, the page ends there
 */
export async function relocatePage(
  env: StoresEnv,
  from: Stores,
  after: string | null,
  by: Actor,
  limits: Limits = LIMITS,
): Promise<RelocationPage> {
  const run = new PageRun("manifests", limits);
  const walk = new Relocation(env, from, by);
  const next = await run.go(walk, after);
  return { ...run.result, next, moved: run.moved, left: walk.left };
}

/**
 * Where a walk is, as a text: "<name>" behind a repository, "<name>:" before it, "<name>:<id>" behind one of its
 * manifests. @returns null for what is none
 */
export function parsePosition(text: string): string | null {
  return /^[a-z0-9._/-]{1,255}(?::\d{0,15})?$/.test(text) ? text : null;
}

/** Whether what lies in a database is to leave it: not what is still coming to it. */
function leaves({ database, movingTo }: Place, { name }: Stores): boolean {
  return movingTo !== name && (database !== name || movingTo !== null);
}

class Relocation implements Walk {
  readonly left: RepositoryName[] = [];
  readonly #env: StoresEnv;
  readonly #from: Stores;
  readonly #by: Actor;

  constructor(env: StoresEnv, from: Stores, by: Actor) {
    this.#env = env;
    this.#from = from;
    this.#by = by;
  }

  async list(after: string | null, limit: number): Promise<Items> {
    const [name = "", behind] = (after ?? "").split(":");
    if (behind === undefined) return this.#find(name);
    const repository = name as RepositoryName;
    const { database, movingTo } = readPlacement(this.#env).placeOf(name);
    if (!leaves({ database, movingTo }, this.#from)) return { items: [], end: name };
    if (movingTo === null || database !== this.#from.name) return this.#clear(repository, database);
    const to = openStores(this.#env, movingTo);
    const removal = { repository, from: this.#from, to, by: this.#by };
    return behind === "" ? this.#begin(removal) : this.#copy(removal, Number(behind), limit);
  }

  /** The next repository that does not stay. */
  async #find(after: string): Promise<Items> {
    const { placeOf } = readPlacement(this.#env);
    const names = await listAllNames(this.#from.db, after, NAMES);
    const found = names.find((name) => leaves(placeOf(name), this.#from));
    if (found !== undefined) return { items: [], end: `${found}:` };
    return { items: [], end: names.length < NAMES ? null : (names.at(-1) ?? null) };
  }

  async #begin({ repository, from, to }: Removal): Promise<Items> {
    if (!(await beginCopy(from.db, repository, to.name, Date.now()))) return { items: [], end: repository };
    // What an earlier pass has brought there may have been deleted here since.
    const more = await clearSome(to.db, repository, null);
    return { items: [], end: more ? `${repository}:` : `${repository}:0` };
  }

  async #copy(removal: Removal, after: number, limit: number): Promise<Items> {
    const { repository, from, to } = removal;
    const rows = await listMoving(from.db, repository, after, limit);
    if (rows.length === 0) {
      await dateRepository(from.db, to.db, repository);
      const copies = await countManifests(to.db, repository);
      await finishCopy(from.db, repository, to.name, copies);
      return { items: [], end: repository };
    }
    const items = rows.map((row) => ({
      position: `${repository}:${row.id}`,
      bytes: row.size,
      check: () => copyManifest(removal, row),
    }));
    return { items, end: items.at(-1)?.position ?? null };
  }

  /** What has been copied goes. */
  async #clear(repository: RepositoryName, target: string): Promise<Items> {
    const { db } = this.#from;
    const since = await copiedSince(db, repository, target);
    const more = since !== null && (await clearSome(db, repository, since));
    if (more) return { items: [], end: `${repository}:` };
    if ((await countManifests(db, repository)) > 0) this.left.push(repository);
    return { items: [], end: repository };
  }
}
