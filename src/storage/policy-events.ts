/** What the audit trail tells of policies. */

import type { Actor } from "./audit.ts";
import type { Database, Statement } from "./database.ts";

/** Behind the statement that sets a policy to `rule`, before the one that removes it, where `rule` is null. */
export function notePolicy(
  db: Database,
  by: Actor,
  name: string,
  rule: string | null,
  at: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO audit_events (id, at, actor, credential, address, user_agent, action, outcome, reference, detail)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, iif(?8 IS NULL, 'remove-policy', 'set-policy'), 'done', name, rule
       FROM policies WHERE name = ?7 AND rule = coalesce(?8, rule) ON CONFLICT DO NOTHING`,
    )
    .bind(`${by.request}/policy`, at, by.name, by.credential, by.address, by.userAgent, name, rule);
}
