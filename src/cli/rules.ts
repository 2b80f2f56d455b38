/** `berth user rules`: what those may do who sign in elsewhere. The file is the whole truth: see docs/users.md. */

import { readFile } from "node:fs/promises";
import { isRuleName, parseRule } from "../auth/oidc-rules.ts";
import { badInput, describe } from "./failure.ts";
import { type OutputOptions, print } from "./output.ts";
import { noteUserEvents } from "./user-events.ts";
import type { UserStore } from "./user-store.ts";

/** Name → rule, as it is to be stored. @throws Failure naming all that is wrong with the file */
export async function readRules(file: string): Promise<Map<string, string>> {
  const rules = new Map<string, string>();
  const problems: string[] = [];
  for (const [name, json] of Object.entries(await readJson(file))) {
    const problem = isRuleName(name)
      ? parseRule(json).problem
      : "its name has letters, digits and . _ -, at most 64";
    if (problem !== null) problems.push(`rule ${name}: ${problem}`);
    else rules.set(name, JSON.stringify(json));
  }
  if (problems.length > 0) throw badInput(`${file}: ${problems.join("; ")}`);
  return rules;
}

/** Stores the file's rules, and removes all others. `remote`: where `store` is. @throws Failure */
export async function importRules(
  store: UserStore,
  file: string,
  options: OutputOptions & { remote?: boolean },
): Promise<void> {
  const rules = await readRules(file);
  const before = await store.listRules();
  const gone = before.filter((each) => !rules.has(each));
  await noteUserEvents(options.remote ?? false, [
    ...[...rules].map(([name, rule]) => {
      return { action: "set-rule", reference: name, detail: JSON.parse(rule) } as const;
    }),
    ...gone.map((name) => ({ action: "remove-rule", reference: name, detail: null }) as const),
  ]);
  if (rules.size > 0) await store.put(new Map([...rules].map(([name, rule]) => [`rule/${name}`, rule])));
  const tell = (name: string, outcome: string) => print(options, `${name}: ${outcome}`, { name, outcome });
  for (const name of rules.keys()) tell(name, before.includes(name) ? "stored" : "new");
  for (const name of gone) {
    await store.remove(`rule/${name}`);
    tell(name, "removed");
  }
}

async function readJson(file: string): Promise<object> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw badInput(`${file}: ${describe(error)}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw badInput(`${file}: it must be an object, each rule under its name`);
  return json;
}
