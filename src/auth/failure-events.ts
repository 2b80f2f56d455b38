/**
 * Failed logins in the audit trail. Anybody can fail to log in, as often as he likes, so they are bounded: one event a
 * minute of each user and address, and so many a minute of each kind, here and in the database. Lockouts are a kind of
 * their own, as passwords and tokens are: a flood of one hides none of another.
 */

import { log } from "../log.ts";
import { noteFailedLogIn } from "../storage/audit.ts";
import { mainStores, type StoresEnv } from "../storage/stores.ts";
import { remember } from "./remember.ts";
import { isUserName } from "./user-entry.ts";

/** Milliseconds. */
const PERIOD = 60_000;

/** In a period, of one kind and isolate. */
const MAX_EVENTS = 20;

/** What is remembered at most. */
const MAX_REMEMBERED = 1000;

/** Where a request is from. */
export interface FailedFrom {
  env: StoresEnv;
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
/** By kind, how many events this period has had. */
let period = { began: 0, events: new Map<string, number>() };
/** How many failures no event has told of because there were too many of their kind. */
let lost = 0;

/** Has an event written behind the answer, unless there are many. */
export function noteFailure(from: FailedFrom, failed: FailedLogIn, now: number): void {
  const { credential, outcome } = failed;
  // What is no name may be a password in the wrong place.
  const user = isUserName(failed.user) ? failed.user : null;
  const key = JSON.stringify([from.address, user, outcome]);
  const before = told.get(key) ?? { at: 0, untold: 0 };
  if (now >= period.began + PERIOD) period = { began: now, events: new Map() };
  const kind = outcome === "refused" ? outcome : credential;
  const events = period.events.get(kind) ?? 0;
  if (now < before.at + PERIOD || events >= MAX_EVENTS) {
    if (events >= MAX_EVENTS) lost++;
    remember(told, key, { at: before.at, untold: before.untold + 1 }, MAX_REMEMBERED);
    return;
  }
  period.events.set(kind, events + 1);
  remember(told, key, { at: now, untold: 0 }, MAX_REMEMBERED);
  from.after(write(from, { user, credential, outcome, untold: before.untold }, now));
}

/** Forgets what was told. For tests. */
export function forgetFailureEvents(): void {
  told.clear();
  period = { began: 0, events: new Map() };
  lost = 0;
}

async function write(
  { env, address, userAgent, request }: FailedFrom,
  { user, credential, outcome, untold }: Omit<FailedLogIn, "user"> & { user: string | null; untold: number },
  now: number,
): Promise<void> {
  const by = { request, name: null, credential, address, userAgent };
  const before = lost;
  const detail = { untold, ...(before > 0 && { lost: before }) };
  try {
    const rows = await noteFailedLogIn(
      mainStores(env).db,
      by,
      { outcome, reference: user, detail },
      now,
    ).all();
    lost += rows.length > 0 ? -before : 1;
  } catch (error) {
    log("event-not-written", { user, outcome, error }, "error");
  }
}
