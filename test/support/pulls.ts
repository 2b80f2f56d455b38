/** Last pulls, as they are noted. */

import { env } from "cloudflare:workers";

/** As if everything had been pulled a moment ago: the next pull notes nothing. */
export async function pullEverything(): Promise<void> {
  await env.DB.prepare("UPDATE manifests SET pulled_at = ?1").bind(Date.now()).run();
}

/** As if nothing had ever been pulled. */
export async function forgetPulls(): Promise<void> {
  await env.DB.prepare("UPDATE manifests SET pulled_at = NULL").run();
}
