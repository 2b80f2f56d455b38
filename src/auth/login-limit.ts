/**
 * Limits failed logins, by address and by user name. Cloudflare's binding counts per location and cannot be asked
 * without counting, so only failures are counted, and each isolate remembers who is over the limit.
 */

/** The period of the limit in wrangler.toml. Milliseconds. */
const PERIOD = 60_000;

/** What is remembered at most. */
const MAX_REMEMBERED = 2000;

const blockedUntil = new Map<string, number>();

/** Whether a password may not even be tried now. */
export function isBlocked(address: string, user: string, now: number): boolean {
  return keysOf(address, user).some((key) => (blockedUntil.get(key) ?? 0) > now);
}

/** Counts a failed login. @returns whether it was one too many */
export async function countFailure(
  limiter: RateLimit,
  address: string,
  user: string,
  now: number,
): Promise<boolean> {
  let blocked = false;
  for (const key of keysOf(address, user)) {
    const { success } = await limiter.limit({ key });
    if (success) continue;
    blocked = true;
    blockedUntil.delete(key);
    blockedUntil.set(key, now + PERIOD);
  }
  for (const oldest of blockedUntil.keys()) {
    if (blockedUntil.size <= MAX_REMEMBERED) break;
    blockedUntil.delete(oldest);
  }
  return blocked;
}

/** Forgets who is blocked. For tests. */
export function forgetBlocked(): void {
  blockedUntil.clear();
}

function keysOf(address: string, user: string): string[] {
  return [`address ${address}`, `user ${user}`];
}
