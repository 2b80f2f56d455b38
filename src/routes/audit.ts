/** Berth's own extension: who changed what. Admins only. */

import { Hono } from "hono";
import { listAllEvents } from "../storage/across/events.ts";
import type { EventCursor } from "../storage/audit-log.ts";
import { malformed } from "./admin-request.ts";
import { requireAdmin } from "./authorize.ts";
import type { Context, RegistryEnv } from "./context.ts";

/** Of a page, without `n` and at most. */
const PAGE = 100;
const MAX_PAGE = 1000;

export const audit = new Hono<RegistryEnv>();

// GET /v2/_berth/audit?repository=&actor=&action=&since=<milliseconds since the epoch>&until=<the same>&n=<limit>&last=<cursor>
audit.get("/v2/_berth/audit", async (c) => {
  requireAdmin(c);
  const filter = {
    repository: c.req.query("repository") ?? null,
    actor: c.req.query("actor") ?? null,
    action: c.req.query("action") ?? null,
    since: wholeNumber(c, "since") ?? 0,
    until: wholeNumber(c, "until"),
  };
  const limit = Math.min(wholeNumber(c, "n") ?? PAGE, MAX_PAGE);
  if (limit === 0) throw malformed("n must be 1 or more", { n: "0" });
  const { events, next } = await listAllEvents(c.env, filter, parseLast(c), limit);
  return c.json({ events, next: next && `${next.at}.${next.id}` });
});

/** Null when it is not given. @throws RegistryError UNSUPPORTED 400 */
function wholeNumber(c: Context, name: string): number | null {
  const text = c.req.query(name);
  if (text === undefined) return null;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw malformed(`${name} must be a whole number`, { [name]: text.slice(0, 200) });
}

/** @throws RegistryError UNSUPPORTED 400 */
function parseLast(c: Context): EventCursor | null {
  const text = c.req.query("last");
  if (text === undefined) return null;
  const [, at, id] = /^(\d{1,15})\.(.{1,500})$/.exec(text) ?? [];
  if (at !== undefined && id !== undefined) return { at: Number(at), id };
  throw malformed("last must be what an earlier page named as next", { last: text.slice(0, 200) });
}
