/**
 * Policies and quotas, which each database has for itself: a push reads, and relies on, those beside its own rows.
 * The main database's are the right ones.
 */

import type { Policy } from "../../oci/policies.ts";
import type { Quota } from "../../oci/quotas.ts";
import type { Actor } from "../audit.ts";
import type { Database } from "../database.ts";
import { deletePolicy, listPolicies, putPolicy } from "../policies.ts";
import { deleteQuota, type ListedQuota, listQuotas, putQuota } from "../quotas.ts";
import { allDatabases, allStores, type StoresEnv } from "../stores.ts";

/** As `putPolicy` of one. What fails half-way is repeated by the client, or by {@link levelRules}. */
export function putPolicyEverywhere(env: StoresEnv, policy: Policy, by: Actor, now: number) {
  return inEach(env, (db) => putPolicy(db, policy, by, now));
}

/** As `deletePolicy` of one. */
export function deletePolicyEverywhere(env: StoresEnv, name: string, by: Actor, now: number) {
  return inEach(env, (db) => deletePolicy(db, name, by, now));
}

/** As `deleteQuota` of one. */
export function deleteQuotaEverywhere(env: StoresEnv, name: string, by: Actor, now: number) {
  return inEach(env, (db) => deleteQuota(db, name, by, now));
}

/** As `putQuota` of one. Each database counts, and refuses, by itself. @returns what is used in all of them */
export async function putQuotaEverywhere(
  env: StoresEnv,
  name: string,
  quota: Quota,
  by: Actor,
  now: number,
): Promise<number | null> {
  let used = 0;
  const put = await inEach(env, async (db) => {
    const here = await putQuota(db, name, quota, by, now);
    used += here ?? 0;
    return here !== null;
  });
  return put ? used : null;
}

/** In the order of their names, with what is used in all databases. */
export async function listAllQuotas(env: StoresEnv): Promise<ListedQuota[]> {
  const [main = [], ...others] = await Promise.all(allDatabases(env).map(listQuotas));
  const used = new Map<string, number>();
  for (const quota of others.flat()) used.set(quota.name, (used.get(quota.name) ?? 0) + quota.used);
  return main.map((quota) => ({ ...quota, used: quota.used + (used.get(quota.name) ?? 0) }));
}

/** First in the main database; where that refuses, in no other. @returns its answer */
async function inEach(env: StoresEnv, change: (db: Database) => Promise<boolean>): Promise<boolean> {
  const [main, ...others] = allDatabases(env);
  if (main === undefined || !(await change(main))) return false;
  for (const db of others) await change(db);
  return true;
}

/** Who makes rules the same: the change itself is another's event. */
const LEVELLING = { name: null, credential: null, address: null, userAgent: null };

/**
 * Gives every database the main one's policies and quotas: to one that is new, or that a change did not reach.
 * @param request makes its events one of a kind, see audit.ts
 * @throws Unavailable, DatabaseFull
 */
export async function levelRules(env: StoresEnv, request: string, now: number): Promise<void> {
  const [main, ...others] = allStores(env);
  if (main === undefined || others.length === 0) return;
  const [policies, quotas] = await Promise.all([listPolicies(main.db), listQuotas(main.db)]);
  for (const { name, db } of others) {
    const by = (what: string): Actor => ({ ...LEVELLING, request: `${request}/${name}/${what}` });
    const [policiesHere, quotasHere] = await Promise.all([listPolicies(db), listQuotas(db)]);
    for (const there of surplus(policiesHere, policies)) await deletePolicy(db, there, by(there), now);
    for (const policy of changed(policies, policiesHere, ({ rule }) => rule))
      await putPolicy(db, policy, by(policy.name), now);
    for (const there of surplus(quotasHere, quotas)) await deleteQuota(db, there, by(there), now);
    for (const quota of changed(quotas, quotasHere, scopeOf))
      await putQuota(db, quota.name, scopeOf(quota), by(quota.name), now);
  }
}

function scopeOf(quota: ListedQuota): Quota {
  const { allowed } = quota;
  return "owner" in quota ? { owner: quota.owner, allowed } : { repositories: quota.repositories, allowed };
}

interface Named {
  name: string;
}

/** Names that are here, and should not be. */
function surplus(here: Named[], wanted: Named[]): string[] {
  return here.map(({ name }) => name).filter((name) => wanted.every((one) => one.name !== name));
}

/** What should be here, and is not, or is another. */
function changed<T extends Named>(wanted: T[], here: T[], meaning: (one: T) => unknown): T[] {
  const known = new Map(here.map((one) => [one.name, JSON.stringify(meaning(one))]));
  return wanted.filter((one) => known.get(one.name) !== JSON.stringify(meaning(one)));
}
