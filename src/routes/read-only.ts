/** The switch that lets nothing be pushed or deleted for a while. */

import { createMiddleware } from "hono/factory";
import { RegistryError } from "../oci/errors.ts";
import { isMoving } from "../storage/placement.ts";
import type { RegistryEnv } from "./context.ts";

/** Below /v2 what clients change; tokens are made, and administrators work, as ever. */
export const CONTENT = /^\/v2\/(?!_berth\/|token$)/;

/**
 * Refuses what would change a repository while it moves to another database.
 * @throws RegistryError UNSUPPORTED 405
 */
export function refuseWhileMoving(env: Env, repository: string): void {
  if (!isMoving(env, repository)) return;
  throw new RegistryError(
    "UNSUPPORTED",
    "this repository is being moved to another database: pulls go on; try again later",
    { headers: { Allow: "GET, HEAD" } },
  );
}

/**
 * Refuses what would change what is behind these paths.
 * @throws RegistryError UNSUPPORTED 405 with the reason
 */
export function refuseWrites(content: RegExp) {
  return createMiddleware<Pick<RegistryEnv, "Variables">>(async (c, next) => {
    const { readOnly } = c.get("settings");
    const changes = !["GET", "HEAD", "OPTIONS"].includes(c.req.method);
    if (readOnly !== null && changes && content.test(c.req.path)) {
      throw new RegistryError(
        "UNSUPPORTED",
        `this registry is read-only for now: ${readOnly}. Pulls go on; try again later`,
        { headers: { Allow: "GET, HEAD" } },
      );
    }
    await next();
  });
}
