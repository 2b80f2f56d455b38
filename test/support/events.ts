/** The audit trail as it is stored. */

import { env } from "cloudflare:workers";
import type { EventRow } from "../../src/storage/audit-log.ts";

/** All, the oldest first. @param action only these */
export async function storedEvents(action?: string): Promise<EventRow[]> {
  const { results } = await env.DB.prepare("SELECT * FROM audit_events ORDER BY at, id").all<EventRow>();
  return results.filter((row) => action === undefined || row.action === action);
}

/** Those that `work` adds. */
export async function eventsOf(work: () => Promise<unknown>): Promise<EventRow[]> {
  const before = new Set((await storedEvents()).map(({ id }) => id));
  await work();
  return (await storedEvents()).filter(({ id }) => !before.has(id));
}

/** What an event says beyond what each has. */
export function gist({ action, repository, reference, old_digest, new_digest }: EventRow): string[] {
  return [action, repository, reference, old_digest, new_digest].map((value) => value ?? "-");
}
