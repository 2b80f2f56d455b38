/**
 * The table of policies. A write that relies on what it has read of them takes {@link assertPolicies} into its batch,
 * and looks again when that refuses: so no policy is passed by a push that began before it.
 */

import type { Digest } from "../oci/digest.ts";
import { Policies, type Policy, parseRule, type Rule } from "../oci/policies.ts";
import type { Tag } from "../oci/reference.ts";
import type { Actor } from "./audit.ts";
import type { Database, Statement } from "./database.ts";
import { notePolicy } from "./policy-events.ts";

/** A tag that a policy keeps as it is. */
export interface ImmutableTag {
  tag: Tag;
  /** What it names. */
  digest: Digest;
  /** The policy's name. */
  policy: string;
}

export interface PoliciesRow {
  version: number;
  /** Null where there is no policy at all. */
  name: string | null;
  rule: string;
}

/** For a batch. Answers rows for {@link policiesOf}. */
export function selectPolicies(db: Database): Statement {
  return db.prepare(
    `SELECT policies_version AS version, policies.name, rule
     FROM registry LEFT JOIN policies ON policies.name > '' WHERE registry.id = 1 LIMIT 100`,
  );
}

/** @returns `version`: for {@link assertPolicies} */
export function policiesOf(rows: PoliciesRow[]): { policies: Policies; version: number } {
  const stored = rows.filter(({ name }) => name !== null) as { name: string; rule: string }[];
  return { policies: new Policies(stored.map(policyOf)), version: rows[0]?.version ?? 0 };
}

export async function readPolicies(db: Database): Promise<{ policies: Policies; version: number }> {
  return policiesOf(await selectPolicies(db).all<PoliciesRow>());
}

/** Refuses its batch, as a constraint does, when the policies are others than those of `version`. */
export function assertPolicies(db: Database, version: number): Statement {
  return db
    .prepare(`UPDATE registry SET policies_version = NULL WHERE id = 1 AND policies_version <> ?1`)
    .bind(version);
}

/** In the order of their names. @param updatedAt milliseconds since the epoch */
export async function listPolicies(db: Database): Promise<(Policy & { updatedAt: number })[]> {
  const rows = await db
    .prepare(`SELECT name, rule, updated_at FROM policies WHERE name > '' ORDER BY name LIMIT 100`)
    .all<{ name: string; rule: string; updated_at: number }>();
  return rows.map((row) => ({ ...policyOf(row), updatedAt: row.updated_at }));
}

/** Sets a policy, in the place of one of the same name. @returns false when there are 100 others */
export async function putPolicy(db: Database, policy: Policy, by: Actor, now: number): Promise<boolean> {
  const rule = JSON.stringify(policy.rule);
  const [stored] = await db.batch([
    db
      .prepare(
        `INSERT INTO policies (name, rule, updated_at)
         SELECT ?1, ?2, ?3
         WHERE EXISTS (SELECT 1 FROM policies WHERE name = ?1)
            OR (SELECT name FROM policies WHERE name > '' LIMIT 1 OFFSET 99) IS NULL
         ON CONFLICT (name) DO UPDATE SET rule = excluded.rule, updated_at = excluded.updated_at RETURNING 1`,
      )
      .bind(policy.name, rule, now),
    notePolicy(db, by, policy.name, rule, now),
  ]);
  return stored?.length === 1;
}

/** @returns false when there was none of this name */
export async function deletePolicy(db: Database, name: string, by: Actor, now: number): Promise<boolean> {
  const { results, repeated } = await db.change([
    notePolicy(db, by, name, null, now),
    db.prepare(`DELETE FROM policies WHERE name = ?1 RETURNING 1`).bind(name),
  ]);
  return results.at(-1)?.length === 1 || repeated;
}

function policyOf({ name, rule: text }: { name: string; rule: string }): Policy {
  const rule: Rule | string = parseRule(JSON.parse(text));
  // Another version's: to go on without it would be to let its tags move.
  if (typeof rule === "string") throw new Error(`the policy ${name} cannot be read: ${rule}`);
  return { name, rule };
}
