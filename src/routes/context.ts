/** What every handler finds in its context. */

import type { Context as HonoContext } from "hono";
import type { Settings } from "../config.ts";

export interface RegistryEnv {
  Bindings: Env;
  Variables: { settings: Settings };
}

export type Context = HonoContext<RegistryEnv>;
