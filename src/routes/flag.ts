/** Query parameters that are true or false. */

import { RegistryError } from "../oci/errors.ts";
import type { Context } from "./context.ts";

/** A query parameter; false when absent. @throws RegistryError UNSUPPORTED 400 */
export function flag(c: Context, name: string): boolean {
  const value = c.req.query(name) ?? "false";
  if (value === "true" || value === "false") return value === "true";
  throw new RegistryError("UNSUPPORTED", `${name} must be true or false`, { status: 400 });
}
