/** What the audit trail tells of quotas. */

import type { Actor } from "./audit.ts";
import type { Database, Statement } from "./database.ts";

/** Behind the statement that sets the quota, or before the one that removes it. */
export function noteQuota(
  db: Database,
  by: Actor,
  name: string,
  action: "set-quota" | "remove-quota",
  at: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO audit_events (id, at, actor, credential, address, user_agent, action, outcome, reference, detail)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 'done', name, json_object(kind, pattern, 'allowed', allowed, 'used', used)
       FROM quotas WHERE name = ?8 ON CONFLICT DO NOTHING`,
    )
    .bind(`${by.request}/quota`, at, by.name, by.credential, by.address, by.userAgent, action, name);
}
