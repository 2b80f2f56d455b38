/** The cookie of a browser: its session, or before that what its first form is known by. And what a form must bring. */

import { randomBytes } from "node:crypto";
import type { Next } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { Access } from "../auth/access.ts";
import { isFormToken, resumeSession } from "../auth/session.ts";
import { isOwnOrigin } from "../auth/transport.ts";
import { RegistryError } from "../oci/errors.ts";
import { callerOf } from "../routes/context.ts";
import type { Context } from "./context.ts";

const NAME = "berth";

/** The longest that anything is written to: a token, or a few of the fields of a form. Characters. */
const MAX_COOKIE = 4096;

/** Where TLS does not reach, as on a laptop, a browser takes no cookie that insists on it. */
function isSecure(c: Context): boolean {
  return new URL(c.req.url).protocol === "https:";
}

function readCookie(c: Context): string {
  const value = isSecure(c) ? getCookie(c, NAME, "host") : getCookie(c, NAME);
  return value !== undefined && value.length <= MAX_COOKIE ? value : "";
}

/** @param expiresAt milliseconds since the epoch; null for the browser's end */
export function writeCookie(c: Context, value: string, expiresAt: number | null): void {
  const prefix = isSecure(c) ? ({ prefix: "host", secure: true } as const) : {};
  const expires = expiresAt === null ? {} : { expires: new Date(expiresAt) };
  setCookie(c, NAME, value, { path: "/", httpOnly: true, sameSite: "Strict", ...prefix, ...expires });
}

/** For a page with a form, in a browser without a cookie: what proves that its form is ours. */
export function ensureCookie(c: Context): void {
  if (c.get("cookie") !== "") return;
  const value = randomBytes(24).toString("base64url");
  c.set("cookie", value);
  writeCookie(c, value, null);
}

/** Middleware: who is calling. A session that has ended is nobody's. */
export async function readSession(c: Context, next: Next): Promise<void> {
  const cookie = readCookie(c);
  const caller = callerOf(c);
  // What is no token has no signature to be checked.
  const access = cookie.includes(".") ? await resumeSession(caller, cookie, Date.now()) : null;
  c.set("cookie", cookie);
  c.set("access", access ?? Access.anonymous(c.get("settings").publicRepositories));
  await next();
}

/**
 * A form's fields, once it is sure that it was on one of our pages in this very browser. Each name once: the last.
 * @throws RegistryError DENIED
 */
export async function readForm(c: Context): Promise<Record<string, string>> {
  const url = new URL(c.req.url);
  // A browser says with every form where it comes from.
  const own = isOwnOrigin(c.req.header("Origin") ?? "", url);
  if (!own || !["same-origin", undefined].includes(c.req.header("Sec-Fetch-Site")))
    throw new RegistryError("DENIED", "pages of other sites may not change anything here");
  const fields = new URLSearchParams(await c.req.text());
  const cookie = c.get("cookie");
  if (cookie === "" || !isFormToken(cookie, fields.get("form") ?? ""))
    throw new RegistryError("DENIED", "this form is out of date: go back, load the page again, and repeat");
  return Object.fromEntries(fields);
}

/** A path of ours that a form or a link may lead back to; "/" for anything else. */
export function ownPath(text: string | undefined): string {
  if (text === undefined || !/^\/(?![/\\])[^\\\p{Cc}]*$/u.test(text)) return "/";
  return text.length <= 2000 ? text : "/";
}
