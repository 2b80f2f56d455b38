/** The Durable Object of an upload session. */

import { env } from "cloudflare:workers";

/** @param location of the session, as the registry has told it */
export function stubOf(location: string): ReturnType<Env["UPLOADS"]["get"]> {
  return env.UPLOADS.get(env.UPLOADS.idFromName(location.split("/").at(-1) as string));
}
