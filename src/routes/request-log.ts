/** One line in the log for each request: who asked for what, and how it ended. */

import { createMiddleware } from "hono/factory";
import { log } from "../log.ts";
import { addressOf, type RegistryEnv, userAgentOf } from "./context.ts";

/** Of a path. The longest that means something has a repository's name and a digest. Characters. */
const MAX_PATH = 500;

/** Neither query nor headers: tokens and passwords stand there. */
export const requestLog = createMiddleware<RegistryEnv>(async (c, next) => {
  const startedAt = Date.now();
  c.set("request", crypto.randomUUID());
  await next();
  // What is refused early has come to no caller.
  const access: RegistryEnv["Variables"]["access"] | undefined = c.get("access");
  log("request", {
    request: c.get("request"),
    method: c.req.method,
    path: c.req.path.slice(0, MAX_PATH),
    status: c.res.status,
    duration: Date.now() - startedAt,
    actor: access?.actorName ?? null,
    credential: access?.credential ?? null,
    address: addressOf(c),
    userAgent: userAgentOf(c),
  });
});
