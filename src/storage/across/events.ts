/** The audit trail of all databases as one. */

import { type AuditEvent, type EventCursor, type EventFilter, listEvents } from "../audit-log.ts";
import { allDatabases, type StoresEnv } from "../stores.ts";

/** As `listEvents` of one database. An event that stands in several, as that of a policy does, is one. */
export async function listAllEvents(
  env: StoresEnv,
  filter: EventFilter,
  after: EventCursor | null,
  limit: number,
): Promise<{ events: AuditEvent[]; next: EventCursor | null }> {
  const pages = await Promise.all(allDatabases(env).map((db) => listEvents(db, filter, after, limit)));
  // Behind the end of a page that was cut, events of its database are missing.
  const cut = pages.reduce<EventCursor | null>(
    (first, { next }) => (next !== null && (first === null || isBefore(next, first)) ? next : first),
    null,
  );
  const known = pages
    .flatMap(({ events }) => events)
    .filter((event) => cut === null || !isBefore(cut, event));
  const events = [...new Map(known.reverse().map((event) => [event.id, event])).values()].sort(
    (one, other) => (isBefore(one, other) ? -1 : 1),
  );
  const last = events[limit - 1];
  if (events.length <= limit || last === undefined) return { events, next: cut };
  return { events: events.slice(0, limit), next: { at: last.at, id: last.id } };
}

/** The newest comes first. */
function isBefore(one: EventCursor, other: EventCursor): boolean {
  return one.at === other.at ? one.id > other.id : one.at > other.at;
}
