/** What every handler finds in its context. */

import type { Context as HonoContext } from "hono";
import type { Access } from "../auth/access.ts";
import type { Caller } from "../auth/authenticate.ts";
import type { Settings } from "../config.ts";
import type { Actor } from "../storage/audit.ts";

export interface RegistryEnv {
  Bindings: Env;
  Variables: {
    /** The request's own id, random. */
    request: string;
    settings: Settings;
    access: Access;
  };
}

/** What is kept of it. Characters. */
const MAX_USER_AGENT = 200;

export type Context = HonoContext<RegistryEnv>;

/** What is common to the registry's contexts and the pages', which have variables besides. */
export interface AnyContext {
  env: Env;
  req: Pick<Context["req"], "url" | "header">;
  executionCtx: Pick<Context["executionCtx"], "waitUntil">;
  get<Key extends keyof RegistryEnv["Variables"]>(key: Key): RegistryEnv["Variables"][Key];
}

/** Who the request says is calling. */
export function callerOf(c: AnyContext): Caller {
  return {
    env: c.env,
    settings: c.get("settings"),
    url: c.req.url,
    authorization: c.req.header("Authorization"),
    address: addressOf(c),
    userAgent: userAgentOf(c),
    request: c.get("request"),
    after: (work) => c.executionCtx.waitUntil(work),
  };
}

/** Who it was that called, for what is written of it. */
export function actorOf(c: AnyContext): Actor {
  const { actorName: name, credential } = c.get("access");
  return { request: c.get("request"), name, credential, address: addressOf(c), userAgent: userAgentOf(c) };
}

/** Cloudflare sets it, whatever the client sends. */
export function addressOf(c: AnyContext): string {
  return c.req.header("CF-Connecting-IP") ?? "unknown";
}

/** Null when the client does not say. */
export function userAgentOf(c: AnyContext): string | null {
  return c.req.header("User-Agent")?.slice(0, MAX_USER_AGENT) ?? null;
}
