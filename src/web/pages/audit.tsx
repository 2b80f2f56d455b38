/** The audit trail: who changed what, with filters, and as a table to take along. Admins only. */

import { Hono } from "hono";
import { listAllEvents } from "../../storage/across/events.ts";
import type { AuditEvent, EventCursor, EventFilter } from "../../storage/audit-log.ts";
import { requireAdmin } from "../access.ts";
import type { Context, View, WebEnv } from "../context.ts";
import { csvOf } from "../csv.ts";
import { Pages } from "../parts/navigation.tsx";
import { Age, ShortDigest } from "../parts/values.tsx";
import { render } from "../render.tsx";

/** Events of a page, and those that are exported at once. */
const PAGE = 50;
const EXPORTED_AT_ONCE = 1000;

export const auditTrail = new Hono<WebEnv>();

const FIELDS = ["repository", "actor", "action"] as const;
/** In UTC, and each with all of it. */
const DAYS = ["from", "until"] as const;
type Wanted = Record<(typeof FIELDS | typeof DAYS)[number], string>;

const DAY = 86_400_000;

function wantedOf(c: Context): Wanted {
  const text = (field: string) => (c.req.query(field) ?? "").trim().slice(0, 255);
  // What is no day is not there, on the page either.
  const day = (field: string) => (Number.isNaN(startOf(text(field))) ? "" : text(field));
  const [repository, actor, action] = [text("repository"), text("actor"), text("action")];
  return { repository, actor, action, from: day("from"), until: day("until") };
}

/** Of a day like "2026-11-28", in UTC: milliseconds since the epoch. NaN for what is none. */
function startOf(day: string): number {
  return /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
}

function filterOf({ repository, actor, action, from, until }: Wanted): EventFilter {
  return {
    ...{ repository: repository || null, actor: actor || null, action: action || null },
    since: from === "" ? 0 : startOf(from),
    until: until === "" ? null : startOf(until) + DAY,
  };
}

// GET /audit?repository=&actor=&action=&from=<day>&until=<day>&last=<cursor>
auditTrail.get("/audit", async (c) => {
  requireAdmin(c);
  const wanted = wantedOf(c);
  const { events, next } = await listAllEvents(c.env, filterOf(wanted), cursorOf(c.req.query("last")), PAGE);
  return render(c, c.get("texts").places.audit, (view) => (
    <Trail view={view} wanted={wanted} events={events} next={next} />
  ));
});

// GET /audit.csv?repository=&actor=&action=&from=<day>&until=<day>
auditTrail.get("/audit.csv", (c) => {
  requireAdmin(c);
  const filter = filterOf(wantedOf(c));
  let after: EventCursor | null = null;
  let done = false;
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode(csvOf([COLUMNS as unknown as string[]]))),
    async pull(controller) {
      if (done) return controller.close();
      const { events, next } = await listAllEvents(c.env, filter, after, EXPORTED_AT_ONCE);
      after = next;
      done = next === null;
      // Never nothing: then nobody would ask for more.
      controller.enqueue(encoder.encode(events.length === 0 ? "\r\n" : csvOf(events.map(cellsOf))));
    },
  });
  c.header("Content-Disposition", 'attachment; filename="audit.csv"');
  return c.body(body, 200, { "Content-Type": "text/csv; charset=utf-8" });
});

const COLUMNS = [
  ...["at", "actor", "credential", "address", "userAgent", "action", "outcome", "repository", "reference"],
  ...["oldDigest", "newDigest", "detail"],
] as (keyof AuditEvent)[];

function cellsOf(event: AuditEvent): string[] {
  return COLUMNS.map((column) => {
    const value = event[column];
    if (column === "at") return new Date(event.at).toISOString();
    return value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  });
}

/** What is no cursor begins anew. */
function cursorOf(text: string | undefined): EventCursor | null {
  const [, at, id] = /^(\d{1,15})\.(.{1,500})$/.exec(text ?? "") ?? [];
  return at === undefined || id === undefined ? null : { at: Number(at), id };
}

interface Props {
  view: View;
  wanted: Wanted;
  events: AuditEvent[];
  next: EventCursor | null;
}

function Trail({ view, wanted, events, next }: Props) {
  const { texts } = view;
  const query = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== ""));
  const path = (place: string, more: Record<string, string> = {}) =>
    `${place}?${new URLSearchParams({ ...query, ...more })}`;
  return (
    <>
      <h1>{texts.places.audit}</h1>
      <search>
        <form method="get" action="/audit" class="row">
          {FIELDS.map((field) => (
            <div>
              <label for={field}>{texts.auditFields[field]}</label>
              <input id={field} name={field} value={wanted[field]} autocomplete="off" autocapitalize="none" />
            </div>
          ))}
          {DAYS.map((day) => (
            <div>
              <label for={day}>{texts.auditDays[day]}</label>
              <input id={day} name={day} type="date" value={wanted[day]} />
            </div>
          ))}
          <button type="submit" class="quiet">
            {texts.filter}
          </button>
        </form>
      </search>
      <p>
        <a href={path("/audit.csv")} download>
          {texts.exportCsv}
        </a>
      </p>
      {events.length === 0 ? <p>{texts.noEvents}</p> : <Events view={view} events={events} />}
      <Pages
        view={view}
        first={view.path.includes("last=") ? path("/audit") : null}
        next={next === null ? null : path("/audit", { last: `${next.at}.${next.id}` })}
      />
    </>
  );
}

function Events({ view, events }: Pick<Props, "view" | "events">) {
  const { texts } = view;
  return (
    <table class="stack">
      <caption class="visually-hidden">{texts.places.audit}</caption>
      <thead>
        <tr>
          <th scope="col">{texts.when}</th>
          <th scope="col">{texts.auditFields.actor}</th>
          <th scope="col">{texts.auditFields.action}</th>
          <th scope="col">{texts.about}</th>
          <th scope="col">{texts.digest}</th>
        </tr>
      </thead>
      <tbody>
        {events.map((event) => (
          <tr>
            <th scope="row">
              <Age view={view} at={event.at} />
            </th>
            <td data-label={texts.auditFields.actor}>
              {event.actor ?? texts.unknown}
              <span class="muted">{event.address === null ? "" : ` ${event.address}`}</span>
            </td>
            <td data-label={texts.auditFields.action}>
              {event.action}
              {event.outcome === "done" ? null : <span class="mark">{event.outcome}</span>}
            </td>
            <td class="wrap" data-label={texts.about}>
              {[event.repository, event.reference].filter((each) => each !== null).join(" ")}
            </td>
            <td data-label={texts.digest}>
              {event.oldDigest === null ? null : <ShortDigest digest={event.oldDigest} />}
              {event.oldDigest === null || event.newDigest === null ? null : " → "}
              {event.newDigest === null ? null : <ShortDigest digest={event.newDigest} />}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
