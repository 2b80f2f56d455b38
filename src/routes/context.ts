/** What every handler finds in its context. */

import type { Context as HonoContext } from "hono";
import type { Access } from "../auth/access.ts";
import type { Caller } from "../auth/authenticate.ts";
import type { Settings } from "../config.ts";

export interface RegistryEnv {
  Bindings: Env;
  Variables: { settings: Settings; access: Access };
}

export type Context = HonoContext<RegistryEnv>;

/** Who the request says is calling. */
export function callerOf(c: Context): Caller {
  return {
    env: c.env,
    settings: c.get("settings"),
    url: c.req.url,
    authorization: c.req.header("Authorization"),
    // Cloudflare sets it, whatever the client sends.
    address: c.req.header("CF-Connecting-IP") ?? "unknown",
    after: (work) => c.executionCtx.waitUntil(work),
  };
}
