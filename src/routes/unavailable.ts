/** Answers while the registry's storage cannot serve. */

import type { Next } from "hono";
import { RegistryError } from "../oci/errors.ts";
import { isMigrated } from "../storage/registry.ts";
import { openStores } from "../storage/stores.ts";
import type { Context } from "./context.ts";

/**
 * A store cannot be reached for now. What was acknowledged stands.
 * @param refusal by which code the store refuses the registry; null when it does not
 */
export function unavailable(refusal: string | null = null): RegistryError {
  const message =
    refusal === null
      ? "the registry cannot reach its storage now: try again"
      : `the registry's object store refuses it (${refusal}): an administrator has to look at the STORE settings`;
  return new RegistryError("UNAVAILABLE", message, { headers: { "Retry-After": "5" } });
}

/** The database holds as much as it may. */
export function databaseFull(): RegistryError {
  return new RegistryError(
    "DENIED",
    "the registry's database is full: delete images and have an administrator collect what they leave (npm run gc), or move repositories to a registry with another database",
    { status: 507 },
  );
}

/** Asked once an isolate: tables do not grow older. */
let migrated = false;

/** Middleware: a clear answer between a deploy and its migrations. @throws RegistryError UNAVAILABLE */
export async function requireMigrated(c: Context, next: Next): Promise<void> {
  migrated ||= await isMigrated(openStores(c.env).db);
  if (!migrated) {
    throw new RegistryError(
      "UNAVAILABLE",
      "the database is not migrated yet: run npm run deploy again. One that was made before rows had ids cannot be carried over: begin with a new one",
      {
        headers: { "Retry-After": "30" },
      },
    );
  }
  await next();
}

/** Forgets what is known of the database. For tests. */
export function forgetMigrated(): void {
  migrated = false;
}
