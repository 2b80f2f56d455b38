/** `berth audit`: who changed what in a registry, and who failed to log in. */

import process from "node:process";
import { Command } from "commander";
import { type AdminOptions, withApi, withRegistry } from "./admin/api.ts";
import { parseDuration } from "./duration.ts";
import { Patience, QUICK_PAUSES } from "./http/retry.ts";

const HELP = `
Examples:
  $ berth audit --repository team/app --since 7d
  $ berth audit --actor alice --json
  $ berth audit --action delete-tag --registry https://registry.example.com

The newest come first. Actions are push-manifest, move-tag, delete-tag,
delete-manifest, push-blob, mount-blob, delete-blob, set-policy, remove-policy,
set-quota, remove-quota, create-token, revoke-token, revoke-tokens, add-user,
change-password, grant-rights, remove-user, set-rule, remove-rule, rotate-key,
log-in (only what failed) and collect.
`;

interface Options extends AdminOptions {
  repository?: string;
  actor?: string;
  action?: string;
  since?: string;
  json?: boolean;
}

/** What the registry tells of an event. `at` is in milliseconds since the epoch. */
interface Event {
  at: number;
  actor: string | null;
  credential: string | null;
  address: string | null;
  userAgent: string | null;
  action: string;
  outcome: string;
  repository: string | null;
  reference: string | null;
  oldDigest: string | null;
  newDigest: string | null;
}

interface Page {
  events: Event[];
  next: string | null;
}

/** What a client says of itself must not move a terminal's cursor. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is meant.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

export function auditCommand(): Command {
  return withRegistry(new Command("audit"))
    .description("Prints the audit trail of a registry, the newest events first.")
    .option("--repository <name>", "only of this repository")
    .option("--actor <name>", "only what this user did, also by machine tokens")
    .option("--action <action>", "only this, such as delete-tag")
    .option("--since <span>", "only of the last days or hours, like 7d or 12h")
    .option("--json", "a line of JSON for each event")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  // What is wrong is said before anything is asked.
  const query = queryOf(options);
  await withApi(options, async (api) => {
    let found = false;
    for (let last: string | null = null; ; ) {
      const page = (await api.call("GET", "audit", {
        query: { ...query, ...(last !== null && { last }) },
        patience: new Patience(QUICK_PAUSES),
      })) as Page;
      for (const event of page.events) await print(options.json ? JSON.stringify(event) : describe(event));
      found ||= page.events.length > 0;
      last = page.next;
      if (last === null) break;
    }
    if (!found) console.error("There are no such events.");
  });
}

function queryOf({ repository, actor, action, since }: Options): Record<string, string> {
  return {
    n: "1000",
    ...(repository !== undefined && { repository }),
    ...(actor !== undefined && { actor }),
    ...(action !== undefined && { action }),
    ...(since !== undefined && { since: String(Date.now() - parseDuration(since) * 1000) }),
  };
}

/** No faster than it is read: a trail may be long. */
async function print(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`))
    await new Promise((drained) => process.stdout.once("drain", drained));
}

/** For people. */
function describe(event: Event): string {
  const { at, actor, credential, address, userAgent, action, outcome } = event;
  const who = [actor ?? "nobody", howOf(credential)].join(" ").trim();
  const from = [address, userAgent].filter((part) => part !== null).join(" ");
  const what = [
    action + (outcome === "done" || outcome === "complete" ? "" : ` (${outcome})`),
    subjectOf(event),
    changeOf(event),
  ];
  return [new Date(at).toISOString(), who, ...what, from && `from ${from}`]
    .filter((part) => part !== "")
    .map((part) => part.replace(CONTROL, "?"))
    .join("  ");
}

/** What the actor's name alone does not say. */
function howOf(credential: string | null): string {
  if (credential === "command line") return "at the command line";
  return credential?.startsWith("token ") ? "by token" : "";
}

function subjectOf({ repository, reference }: Event): string {
  if (repository === null) return reference ?? "";
  return reference === null ? repository : `${repository}:${reference}`;
}

function changeOf({ oldDigest, newDigest }: Event): string {
  if (oldDigest !== null && newDigest !== null) return `${oldDigest} → ${newDigest}`;
  return oldDigest ?? newDigest ?? "";
}
