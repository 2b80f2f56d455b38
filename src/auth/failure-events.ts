/**
 * Failed logins in the audit trail. Anybody can fail to log in, as often as he likes, so they are bounded: one event a
 * minute of each user and address, and so many a minute in all, here and in the database.
 */

import { log } from "../log.ts";
import { noteFailedLogIn } from "../storage/audit.ts";
import { openStores } from "../storage/stores.ts";
import { remember } from "./remember.ts";
import { isUserName } from "./user-entry.ts";

/** Milliseconds. */
const PERIOD = 60_000;

/** In a period, of one isolate. */
const MAX_EVENTS = 20;

/** What is remembered at most. */
const MAX_REMEMBERED = 1000;

/** Where a request is from. */
export interface FailedFrom {
  env: Pick<Env, "DB" | "BUCKET">;
  /** The network address, which Cloudflare gives. */
  address: string;
  /** Null when the client does not say. */
  userAgent: string | null;
  /** The request's own id. */
  request: string;
  /** Has something done that the answer does not wait for. It must not fail. */
  after(work: Promise<void>): void;
}

interface FailedLogIn {
  /** As the client says. */
  user: string;
  credential: "password" | "token" | "oidc";
  /** "refused": locked out. */
  outcome: "failed" | "refused";
}

/** When each was last told, and how many have not been since. */
const told = new Map<string, { at: number; untold: number }>();
let period = { began: 0, events: 0 };

/** Has an event written behind the answer, unless there are many. */
export function noteFailure(from: FailedFrom, failed: FailedLogIn, now: number): void {
  const { credential, outcome } = failed;
  // What is no name may be a password in the wrong place.
  const user = isUserName(failed.user) ? failed.user : null;
  const key = JSON.stringify([from.address, user, outcome]);
  const before = told.get(key) ?? { at: 0, untold: 0 };
  if (now >= period.began + PERIOD) period = { began: now, events: 0 };
  if (now < before.at + PERIOD || period.events >= MAX_EVENTS) {
    remember(told, key, { at: before.at, untold: before.untold + 1 }, MAX_REMEMBERED);
    return;
  }
  period.events++;
  remember(told, key, { at: now, untold: 0 }, MAX_REMEMBERED);
  from.after(write(from, { user, credential, outcome, untold: before.untold }, now));
}

/** Forgets what was told. For tests. */
export function forgetFailureEvents(): void {
  told.clear();
  period = { began: 0, events: 0 };
}

async function write(
  { env, address, userAgent, request }: FailedFrom,
  { user, credential, outcome, untold }: Omit<FailedLogIn, "user"> & { user: string | null; untold: number },
  now: number,
): Promise<void> {
  const by = { request, name: null, credential, address, userAgent };
  const detail = { untold };
  try {
    await noteFailedLogIn(openStores(env).db, by, { outcome, reference: user, detail }, now).all();
  } catch (error) {
    log("event-not-written", { user, outcome, error }, "error");
  }
}
