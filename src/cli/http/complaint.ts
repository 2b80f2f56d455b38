/** What a registry's answer says in words, for a message of one line. */

import { STATUS_CODES } from "node:http";
import type { Answer } from "./exchange.ts";

/** @returns like "401 UNAUTHORIZED: authentication required", or "413 Payload Too Large" for a page of HTML */
export function complaint(answer: Pick<Answer, "status" | "body">): string {
  const said = firstError(answer.body);
  const status = `${answer.status}`;
  return said === null ? `${status} ${STATUS_CODES[answer.status] ?? ""}`.trim() : `${status} ${said}`;
}

/** Whether the answer carries this error code of the specification. */
export function hasErrorCode(answer: Pick<Answer, "body">, code: string): boolean {
  return firstError(answer.body)?.startsWith(code) ?? false;
}

function firstError(body: Buffer): string | null {
  try {
    const { code, message } = JSON.parse(body.toString()).errors[0];
    // A control character in a registry's message must not reach the terminal.
    const text = message ? `${code}: ${message}` : `${code}`;
    return text.replace(/[\p{Cc}\s]+/gu, " ").slice(0, 300);
  } catch {
    return null;
  }
}
