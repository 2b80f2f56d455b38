/** What every page finds in its context. */

import type { Context as HonoContext } from "hono";
import type { RegistryEnv } from "../routes/context.ts";
import type { Language } from "./language.ts";
import type { Texts } from "./texts/english.ts";

export interface WebEnv {
  Bindings: Env;
  Variables: RegistryEnv["Variables"] & {
    /** The cookie's value; "" for a browser without one. */
    cookie: string;
    language: Language;
    texts: Texts;
  };
}

export type Context = HonoContext<WebEnv>;

/** What a page knows of the request that it answers. */
export interface View {
  texts: Texts;
  language: Language;
  /** What to call the caller; null for an anonymous one. */
  who: string | null;
  admin: boolean;
  /** Whether the session was begun with a password, and not with a token. */
  byPassword: boolean;
  /** What the page's forms carry. "" where the browser has no cookie: then it has no form that changes anything. */
  formToken: string;
  /** As it stands before a repository's name in commands. */
  host: string;
  /** With its query. */
  path: string;
  /** Milliseconds since the epoch. */
  now: number;
}
