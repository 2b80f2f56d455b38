/**
 * Scrub: everything that the registry keeps is read again and compared with what its rows say, a page a call. What
 * can be healed is healed, what is wrong or gone is marked, so that nobody is served it and clients push it again.
 *
 * It needs no lease, and runs beside pushes, collections and other scrubs:
 * - Keys are random and never used twice, and an object never changes. So what was read under a key is true as long
 *   as the row still names that key, and every statement here asks for that: when a push has put another object in
 *   the row, or a collection has taken the row, the statement finds nothing, and nothing is told.
 * - A collection deletes only objects that are doomed, and dooms only what no row names: never one that is read here
 *   because a row names it. When the row goes meanwhile, and the object is gone, that is no finding.
 * - It keeps off quarantined objects (see ../garbage/objects.ts). How a row comes by an object that none names, and
 *   why that cannot be one that is just being deleted, is told in objects.ts.
 * - Two scrubs do the same twice.
 *
 * It can stop anywhere: the same cursor again finds what is still wrong.
 */

import { log } from "../../log.ts";
import type { Stores } from "../stores.ts";
import { blobs } from "./blobs.ts";
import { type Cursor, formatCursor, WALKS, type WalkName } from "./cursor.ts";
import { damage } from "./damage.ts";
import { addFinding, type Checked, logFinding, newPage, type ScrubPage } from "./findings.ts";
import { manifests } from "./manifests.ts";
import { unnamedObjects } from "./objects.ts";
import type { Item, Walk } from "./walk.ts";

export interface ScrubOptions {
  /** Looks through the objects that no row names for what is missing. */
  rebuild: boolean;
  /** Whether an index may name manifests that are not here. */
  sparse: boolean;
  /** What was made before this is on nobody's way to a row any more. Milliseconds since the epoch. */
  freeBefore: number;
}

/** When a page ends; at least one thing is looked at. */
export interface Limits {
  /** Things looked at. Each may take four queries, and D1 allows 1,000 an invocation. */
  items: number;
  /** Lists read, for where they hold little to look at. */
  lists: number;
  bytes: number;
  /** Milliseconds. */
  duration: number;
}

const LIMITS: Limits = { items: 200, lists: 50, bytes: 4 * 1024 ** 3, duration: 20_000 };

/** Small things are looked at together: it is the way to the stores that takes the time. */
const TOGETHER = 4;

/** Bytes. */
const TOGETHER_BYTES = 64 * 1024 * 1024;

const PHASES = { blobs: "blobs", manifests: "manifests", objects: "objects", damage: "manifests" } as const;

/**
 * Scrubs one page. It stays in one walk: the next one begins on a page of its own.
 * @param cursor where to go on; null at the very beginning
 * @throws Unavailable when a store failed before anything was looked at; later, the page ends there
 */
export async function scrubPage(
  stores: Stores,
  cursor: Cursor | null,
  options: ScrubOptions,
  limits: Limits = LIMITS,
): Promise<ScrubPage> {
  const { walk: name, after } = cursor ?? { walk: WALKS[0], after: null };
  const page = new PageRun(name, limits);
  const end = await page.go(openWalk(name, stores, options), after);
  const following = WALKS.slice(WALKS.indexOf(name) + 1).find(
    (walk) => walk !== "objects" || options.rebuild,
  );
  if (end !== null) page.result.next = formatCursor({ walk: name, after: end });
  else if (following !== undefined) page.result.next = formatCursor({ walk: following, after: null });
  return page.result;
}

function openWalk(name: WalkName, stores: Stores, { sparse, freeBefore }: ScrubOptions): Walk {
  switch (name) {
    case "blobs":
      return blobs(stores);
    case "manifests":
      return manifests(stores);
    case "objects":
      return unnamedObjects(stores, freeBefore);
    case "damage":
      return damage(stores.db, sparse);
  }
}

/** One page of a walk. */
export class PageRun {
  readonly result: ScrubPage;
  /** How many things were moved. */
  moved = 0;
  readonly #name: WalkName;
  readonly #limits: Limits;
  readonly #deadline: number;
  #items = 0;
  #lists = 0;
  /** How far the walk is; null at its beginning. */
  #position: string | null = null;

  constructor(name: WalkName, limits: Limits = LIMITS) {
    this.result = newPage(PHASES[name]);
    this.#name = name;
    this.#limits = limits;
    this.#deadline = Date.now() + limits.duration;
  }

  /** @returns where the walk goes on; null when it is through */
  async go(walk: Walk, after: string | null): Promise<string | null> {
    this.#position = after;
    try {
      return await this.#walk(walk);
    } catch (error) {
      // What was found so far is told; the next page begins with what failed.
      if (this.#position === null || this.#position === after) throw error;
      log("scrub-page-cut", { after: this.#position, error }, "warn");
      return this.#position;
    }
  }

  async #walk(walk: Walk): Promise<string | null> {
    do {
      this.#lists++;
      const { items, end } = await walk.list(this.#position, this.#limits.items - this.#items);
      for (const group of groupsOf(items, this.#limits.items - this.#items)) {
        await this.#look(group);
        if (this.#isFull() && this.#position !== items.at(-1)?.position) return this.#position;
      }
      if (end === null) return null;
      this.#position = end;
    } while (!this.#isFull());
    return this.#position;
  }

  async #look(group: Item[]): Promise<void> {
    const outcomes = await Promise.allSettled(group.map((item) => look(item)));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    for (const outcome of outcomes) if (outcome.status === "fulfilled") this.#add(outcome.value);
    this.#items += group.length;
    this.#position = group.at(-1)?.position ?? this.#position;
  }

  #add({ bytes, findings, moved }: Checked): void {
    this.result.bytes += bytes;
    if (moved) this.moved++;
    for (const finding of findings) addFinding(this.result, finding);
    // What is damaged was counted when it was read.
    if (this.#name !== "damage") this.result.checked++;
  }

  #isFull(): boolean {
    const { items, lists, bytes } = this.#limits;
    return (
      this.#items >= items ||
      this.#lists >= lists ||
      this.result.bytes >= bytes ||
      Date.now() >= this.#deadline
    );
  }
}

async function look(item: Item): Promise<Checked> {
  try {
    const checked = await item.check();
    for (const finding of checked.findings) logFinding(finding);
    return checked;
  } catch (error) {
    // Whoever reads the log can go on behind it, should it fail for ever.
    log("scrub-failed", { at: item.position, error }, "warn");
    throw error;
  }
}

/** Neighbours that are small together. */
function groupsOf(items: Item[], most: number): Item[][] {
  const groups: Item[][] = [];
  let bytes = 0;
  for (const item of items.slice(0, most)) {
    const last = groups.at(-1);
    if (last !== undefined && last.length < TOGETHER && bytes + item.bytes <= TOGETHER_BYTES) {
      last.push(item);
      bytes += item.bytes;
    } else {
      groups.push([item]);
      bytes = item.bytes;
    }
  }
  return groups;
}
