/** Raises hashes that are cheaper than usual, as `htpasswd -B` makes them, once their password is known. */

import { hash as bcrypt } from "bcryptjs";
import { log } from "../log.ts";
import { getRaiseMark, putRaisedEntry, putRaiseMark } from "../storage/hashes.ts";
import { getUserEntry } from "../storage/users.ts";
import { costOf, USUAL_COST, vouch } from "./passwords.ts";
import { formatRaised, parseUserEntry, type UserEntry } from "./user-entry.ts";

/**
 * KV has no conditional write, and may show for 90 seconds what has been changed elsewhere. So a hash is raised only
 * at a login this long after it was first seen. Milliseconds.
 */
const SETTLED = 10 * 60_000;

/** To be done after the answer. @param password the right one of `entry` */
export async function raiseHash(
  users: KVNamespace,
  user: string,
  password: string,
  entry: UserEntry,
  now: number,
): Promise<void> {
  if (costOf(entry.hash) >= USUAL_COST) return;
  try {
    const mark = await getRaiseMark(users, user);
    if (mark?.fingerprint !== entry.fingerprint) {
      await putRaiseMark(users, user, { fingerprint: entry.fingerprint, at: now });
    } else if (now - mark.at >= SETTLED) {
      await replace(users, user, password, entry, now);
    }
  } catch (error) {
    log("hash-not-raised", { user, error }, "error");
  }
}

async function replace(
  users: KVNamespace,
  user: string,
  password: string,
  entry: UserEntry,
  now: number,
): Promise<void> {
  const hash = await bcrypt(password, USUAL_COST);
  // Read again as late as can be: whoever has changed the user meanwhile is right.
  const stored = parseUserEntry((await getUserEntry(users, user)) ?? "");
  if (stored?.hash !== entry.hash || stored.fingerprint !== entry.fingerprint) return;
  await putRaisedEntry(users, user, formatRaised(entry, hash));
  vouch(user, password, hash, now);
  log("hash-raised", { user });
}
