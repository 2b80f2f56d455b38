/** What every page says to the browser that shows it. */

import { closedToBrowsers } from "../auth/transport.ts";

/** Our own files, forms to ourselves, and nothing else: nothing inline either, whatever a label or a README holds. */
const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Headers for a page of this URL. */
export function pageHeaders(url: URL): Record<string, string> {
  return {
    ...closedToBrowsers(url),
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    // With no-referrer a browser would hide where a form comes from, from ourselves too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    Vary: "Accept-Language, Cookie",
  };
}

/** What an answer may be kept for, unless it says so itself: not at all. */
export const NOT_KEPT = "no-store";
