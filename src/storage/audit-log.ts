/** The audit trail, as it is read: the newest first, in pages. */

import type { Digest } from "../oci/digest.ts";
import type { Database, Statement } from "./database.ts";

export interface AuditEvent {
  id: string;
  /** Milliseconds since the epoch. */
  at: number;
  actor: string | null;
  credential: string | null;
  address: string | null;
  userAgent: string | null;
  action: string;
  outcome: string;
  repository: string | null;
  reference: string | null;
  oldDigest: Digest | null;
  newDigest: Digest | null;
  detail: object | null;
}

/** Null where all are wanted. */
export interface EventFilter {
  repository: string | null;
  actor: string | null;
  action: string | null;
  /** Milliseconds since the epoch. */
  since: number;
  /** Exclusive. Milliseconds since the epoch; null to the newest. */
  until: number | null;
}

/** Where a page goes on: behind this event. */
export interface EventCursor {
  at: number;
  id: string;
}

/** As it is stored. */
export interface EventRow extends EventCursor {
  actor: string | null;
  credential: string | null;
  address: string | null;
  user_agent: string | null;
  action: string;
  outcome: string;
  repository: string | null;
  reference: string | null;
  old_digest: Digest | null;
  new_digest: Digest | null;
  /** JSON. */
  detail: string | null;
}

/** How many are read at once for somebody's, or of one action. */
const READ_AT_ONCE = 1000;

/** How many are looked through for one page. Then it is shorter, or empty, and the next one goes on from there. */
const LOOKED_THROUGH = 10_000;

/** @returns `next`: where the next page begins; null when there is none */
export async function listEvents(
  db: Database,
  filter: EventFilter,
  after: EventCursor | null,
  limit: number,
): Promise<{ events: AuditEvent[]; next: EventCursor | null }> {
  const { actor, action } = filter;
  const size = actor === null && action === null ? limit + 1 : READ_AT_ONCE;
  const events: AuditEvent[] = [];
  let last = after;
  for (let looked = 0; looked < LOOKED_THROUGH; looked += size) {
    const rows = await read(db, filter, last, size).all<EventRow>();
    for (const row of rows) {
      if ((actor !== null && row.actor !== actor) || (action !== null && row.action !== action)) continue;
      // There is one more than the page has.
      if (events.length === limit) return { events, next: cursorOf(events.at(-1) as AuditEvent) };
      events.push(eventOf(row));
    }
    if (rows.length < size) return { events, next: null };
    last = cursorOf(rows.at(-1) as EventRow);
  }
  return { events, next: last };
}

function cursorOf({ at, id }: EventCursor): EventCursor {
  return { at, id };
}

function read(
  db: Database,
  { repository, since, until }: EventFilter,
  after: EventCursor | null,
  limit: number,
): Statement {
  // Behind every event that is wanted: no id is before "".
  const { at, id } = after ?? { at: until ?? Number.MAX_SAFE_INTEGER, id: "" };
  if (repository === null) {
    return db
      .prepare(
        `SELECT * FROM audit_events WHERE at >= ?1 AND (at, id) < (?2, ?3) ORDER BY at DESC, id DESC LIMIT ?4`,
      )
      .bind(since, at, id, limit);
  }
  return db
    .prepare(
      `SELECT * FROM audit_events WHERE repository = ?5 AND at >= ?1 AND (at, id) < (?2, ?3)
       ORDER BY at DESC, id DESC LIMIT ?4`,
    )
    .bind(since, at, id, limit, repository);
}

function eventOf({ user_agent, old_digest, new_digest, detail, ...row }: EventRow): AuditEvent {
  return {
    ...row,
    userAgent: user_agent,
    oldDigest: old_digest,
    newDigest: new_digest,
    detail: detail === null ? null : JSON.parse(detail),
  };
}
