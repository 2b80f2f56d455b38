/** Rules for who signs in elsewhere, in the users' KV namespace under `rule/<name>`: see auth/oidc-rules.ts. */

const PREFIX = "rule/";

/** KV's shortest. A change is seen everywhere within this and KV's own 60 s. Seconds. */
const CACHED = 30;

/** What KV reads at once. */
const BULK = 100;

/** @returns name → the rule as it is stored, without those that do not exist */
export async function getRules(users: KVNamespace, names: string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let start = 0; start < names.length; start += BULK) {
    const keys = names.slice(start, start + BULK).map((name) => PREFIX + name);
    const values = await users.get(keys, { type: "text", cacheTtl: CACHED });
    for (const [key, value] of values) if (value !== null) found.set(key.slice(PREFIX.length), value);
  }
  return found;
}

/** The names of all rules. KV's lists lag behind by up to a minute. */
export async function listRuleNames(users: KVNamespace): Promise<string[]> {
  const names: string[] = [];
  for (let cursor: string | null = null; ; ) {
    const page: KVNamespaceListResult<unknown> = await users.list({ prefix: PREFIX, cursor });
    names.push(...page.keys.map(({ name }) => name.slice(PREFIX.length)));
    if (page.list_complete) return names;
    cursor = page.cursor;
  }
}
