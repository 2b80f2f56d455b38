/** Users: KV entries, user name → bcrypt hash and rights. */

/** KV's shortest. A change is seen everywhere within this and KV's own 60 s. Seconds. */
const CACHED = 30;

/** The entry as it is stored; null when there is no such user. @param name a valid user name */
export function getUserEntry(users: KVNamespace, name: string): Promise<string | null> {
  return users.get(name, { cacheTtl: CACHED });
}
