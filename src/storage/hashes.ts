/** What is known of password hashes, beside the users in KV: keys with a slash, which no user's name has. */

/** The dearest cost that any user's hash was seen to have. It only rises. */
const DEAREST = "hashes/dearest";

/** Long: what it says only rises, and seldom. Seconds. */
const DEAREST_CACHED = 600;

/** How long it is remembered that a hash is to be raised. Seconds. */
const MARK_KEPT = 90 * 86_400;

/** @returns 0 when none was noted */
export async function getDearestCost(users: KVNamespace): Promise<number> {
  return Number(await users.get(DEAREST, { cacheTtl: DEAREST_CACHED })) || 0;
}

export function putDearestCost(users: KVNamespace, cost: number): Promise<void> {
  return users.put(DEAREST, String(cost));
}

/** A cheap hash that was seen, and when first: milliseconds. */
export interface RaiseMark {
  fingerprint: string;
  at: number;
}

/** @returns null when the user's hash was not seen to be cheap */
export function getRaiseMark(users: KVNamespace, user: string): Promise<RaiseMark | null> {
  return users.get<RaiseMark>(`raise/${user}`, "json");
}

export function putRaiseMark(users: KVNamespace, user: string, mark: RaiseMark): Promise<void> {
  return users.put(`raise/${user}`, JSON.stringify(mark), { expirationTtl: MARK_KEPT });
}

/** Replaces a user's entry. */
export async function putRaisedEntry(users: KVNamespace, user: string, entry: string): Promise<void> {
  await users.put(user, entry);
  await users.delete(`raise/${user}`);
}
