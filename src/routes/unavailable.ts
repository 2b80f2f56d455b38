/** What errors become, and answers while the registry's storage cannot serve. */

import type { Next } from "hono";
import { log } from "../log.ts";
import { RegistryError } from "../oci/errors.ts";
import { levelRules } from "../storage/across/rules.ts";
import { DatabaseFull } from "../storage/database.ts";
import { findMigrated } from "../storage/registry.ts";
import { Unavailable } from "../storage/retry.ts";
import { allDatabases, askObjectStores } from "../storage/stores.ts";
import { noteStores } from "../storage/whereabouts.ts";
import type { AnyContext, Context } from "./context.ts";

/**
 * A store cannot be reached for now. What was acknowledged stands.
 * @param refusal by which code the store refuses the registry; null when it does not
 */
export function unavailable(refusal: string | null): RegistryError {
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

/**
 * What a request is refused with that ended in an error, which is logged where it is not the client's doing.
 * @returns null for a mistake of the registry's own
 */
export function refusalOf(
  error: Error,
  { method, path }: { method: string; path: string },
): RegistryError | null {
  if (error instanceof RegistryError) return error;
  if (error instanceof Unavailable) {
    log("not-available", { method, path, error }, "warn");
    return unavailable(error.refusal);
  }
  if (error instanceof DatabaseFull) {
    log("database-full", { method, path, error }, "error");
    return databaseFull();
  }
  log("unexpected-error", { method, path, error }, "error");
  return null;
}

/** Whether this isolate has asked the object store. */
let asked = false;

/** Middleware: whether the object store takes the registry's word is asked once an isolate, for the log. */
export async function askStore(c: Context, next: Next): Promise<void> {
  if (!asked && (c.env.STORE !== "r2" || c.env.STORE_FALLBACK !== "")) {
    asked = true;
    // A refusal is told by its code; what is only away may be back before anybody wants it.
    c.executionCtx.waitUntil(
      askObjectStores(c.env).catch((error) => log("store-not-asked", { error }, "warn")),
    );
  }
  await next();
}

/** Asked once an isolate: tables do not grow older. */
let ready = false;

/**
 * Middleware: a clear answer between a deploy and its migrations. Several databases have the same rules from then on.
 * @throws RegistryError UNAVAILABLE
 */
export async function requireMigrated(c: Pick<AnyContext, "env" | "get">, next: Next): Promise<void> {
  ready ||= await makeReady(c.env, c.get("request"));
  if (!ready) {
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

/** @returns whether the tables are as new as they have to be */
async function makeReady(env: Env, request: string): Promise<boolean> {
  const databases = allDatabases(env);
  const [main, ...others] = await Promise.all(databases.map((db) => findMigrated(db)));
  if (main == null || others.includes(null)) return false;
  await noteStores(env, databases, main);
  await levelRules(env, request, Date.now());
  return true;
}

/** Forgets what is known of the stores. For tests. */
export function forgetMigrated(): void {
  ready = false;
}

/** Has the next request ask the object store again. For tests. */
export function forgetAsked(): void {
  asked = false;
}
