/** What the registry of `npm start` logs, as people read it: a short line for each request, and all else as it is. */

import { STATUS_CODES } from "node:http";

/** Who asks for this program itself: nobody wants to read of it. */
export const OWN_AGENT = "berth-start";

const REQUEST = '{"event":"request",';

/** What src/routes/request-log.ts writes, in part. `duration`: milliseconds. */
interface RequestEvent {
  method: string;
  path: string;
  status: number;
  duration: number;
  userAgent: string | null;
}

/** @returns null for what is not to be shown */
export function readable(message: string): string | null {
  if (!message.startsWith(REQUEST)) return message;
  const { method, path, status, duration, userAgent }: RequestEvent = JSON.parse(message);
  if (userAgent === OWN_AGENT) return null;
  return `${method} ${path} ${status} ${STATUS_CODES[status] ?? ""} (${duration}ms)`;
}

/** Prints a line of the log. */
export function printLine(message: string): void {
  const line = readable(message);
  if (line !== null) console.log(line);
}
