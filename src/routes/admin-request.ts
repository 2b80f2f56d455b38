/** What requests to Berth's own extension have in common: JSON bodies, and names of what is made by them. */

import { RegistryError } from "../oci/errors.ts";
import { limitedBody } from "./limited-body.ts";

const LABEL = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

/** Bytes. */
const MAX_BODY = 64 * 1024;

/** What a label must be, for messages. */
export const LABEL_FORM = "1 to 64 letters, digits and . _ -, and begin with a letter or digit";

/** Whether a token, a policy and the like can have this name. */
export function isLabel(text: string): boolean {
  return LABEL.test(text);
}

/** For routes that read a body of JSON. */
export const smallBody = limitedBody(
  MAX_BODY,
  () => new RegistryError("UNSUPPORTED", "the request is too large", { status: 413 }),
);

/** @throws RegistryError UNSUPPORTED 400, with `example`, when the text is no JSON object */
export function parseObject(text: string, example: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null) return json as Record<string, unknown>;
  } catch {}
  throw malformed(`the body must be JSON like ${example}`);
}

/** A request that makes no sense. */
export function malformed(message: string, detail?: Record<string, string>): RegistryError {
  return new RegistryError("UNSUPPORTED", message, { status: 400, ...(detail && { detail }) });
}
