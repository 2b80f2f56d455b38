/** Raises hashes that are cheaper than usual, as `htpasswd -B` makes them, once their password is known. */

import { log } from "../log.ts";
import { getRaiseMark, putRaisedEntry, putRaiseMark } from "../storage/hashes.ts";
import { mainStores, type StoresEnv } from "../storage/stores.ts";
import { isChangedLately } from "../storage/user-changes.ts";
import { getUserEntry } from "../storage/users.ts";
import { costOf, vouch } from "./passwords.ts";
import { formatRaised, parseUserEntry, type UserEntry } from "./user-entry.ts";
import { hashPassword, USUAL_COST } from "./user-rules.ts";

/**
 * KV has no conditional write, and may show for 90 seconds what has been changed elsewhere. So a hash is raised only
 * at a login this long after it was first seen, and not of a user that somebody has just changed. Milliseconds.
 */
const SETTLED = 10 * 60_000;

/** To be done after the answer. @param password the right one of `entry` */
export async function raiseHash(
  env: Pick<Env, "USERS"> & StoresEnv,
  user: string,
  password: string,
  entry: UserEntry,
  now: number,
): Promise<void> {
  if (costOf(entry.hash) >= USUAL_COST) return;
  const users = env.USERS;
  try {
    const mark = await getRaiseMark(users, user);
    if (mark?.fingerprint !== entry.fingerprint) {
      await putRaiseMark(users, user, { fingerprint: entry.fingerprint, at: now });
    } else if (now - mark.at >= SETTLED && !(await isChangedLately(mainStores(env).db, user, now))) {
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
  const hash = await hashPassword(password);
  // Read again as late as can be: whoever has changed the user meanwhile is right.
  const stored = parseUserEntry((await getUserEntry(users, user)) ?? "");
  if (stored?.hash !== entry.hash || stored.fingerprint !== entry.fingerprint) return;
  await putRaisedEntry(users, user, formatRaised(entry, hash));
  vouch(user, password, hash, now);
  log("hash-raised", { user });
}
