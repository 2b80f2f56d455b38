/** What the dearest hash of any user costs: a failed login takes as long for everybody. */

import { log } from "../log.ts";
import { getDearestCost, putDearestCost } from "../storage/hashes.ts";
import { costOf } from "./passwords.ts";
import { USUAL_COST } from "./user-rules.ts";

/** How long this isolate believes what it has read. Milliseconds. */
const REMEMBERED = 600_000;

let known: { cost: number; at: number } | null = null;

/**
 * At least the usual cost, and that of `hash`, which is noted for all isolates when it is dearer than those before:
 * names are tried at one, and must not stand out at the next.
 * @param hash null for a user who does not exist
 */
export async function dearestCost(users: KVNamespace, hash: string | null, now: number): Promise<number> {
  if (known === null || now - known.at > REMEMBERED) known = { cost: await read(users), at: now };
  const cost = Math.max(known.cost, hash === null ? 0 : costOf(hash));
  if (cost > known.cost) {
    known = { cost, at: now };
    await write(users, cost);
  }
  return cost;
}

/** Forgets what was read. For tests. */
export function forgetDearest(): void {
  known = null;
}

async function read(users: KVNamespace): Promise<number> {
  try {
    return Math.max(await getDearestCost(users), USUAL_COST);
  } catch (error) {
    log("dearest-hash-unknown", { error }, "error");
    return USUAL_COST;
  }
}

async function write(users: KVNamespace, cost: number): Promise<void> {
  try {
    await putDearestCost(users, cost);
  } catch (error) {
    log("dearest-hash-not-noted", { error }, "error");
  }
}
