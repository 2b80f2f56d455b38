/**
 * What `berth user` changes, for the audit trail. It goes past the registry, straight into KV, which no batch of the
 * database reaches: its event is written first, so that it may tell of a change that failed, and never lacks one.
 */

import { randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import process from "node:process";
import { execute, literal } from "./database.ts";
import { describe, Failure } from "./failure.ts";

export interface UserEvent {
  action:
    | "add-user"
    | "change-password"
    | "grant-rights"
    | "remove-user"
    | "set-rule"
    | "remove-rule"
    | "rotate-key";
  /** The user's or the rule's name; null where it is of neither. */
  reference: string | null;
  /** What else there is to say. Never a hash. */
  detail: object | null;
}

const COLUMNS =
  "id, at, actor, credential, address, user_agent, action, outcome, repository, reference, old_digest, new_digest, detail";

/** Of one statement: an argument has 128 KiB on Linux, and D1 takes 100 KB. Characters. */
const MAX_STATEMENT = 60_000;

/** Of one event, before it is written in hexadecimal digits. Characters. */
const MAX_DETAIL = 10_000;

/** Writes events, before what they tell of is done. @throws Failure: then nothing is to be changed */
export async function noteUserEvents(remote: boolean, events: UserEvent[]): Promise<void> {
  try {
    for (const statement of statementsOf(events)) if (!(await tell(remote, [statement], true))) return;
  } catch (error) {
    throw new Failure(`The audit trail cannot be written, so nothing is changed: ${describe(error)}`);
  }
}

/** Runs statements, and writes the event that tells of them in the same transaction. @throws Failure */
export async function executeNoted(remote: boolean, event: UserEvent, statements: string[]): Promise<void> {
  if (!(await tell(remote, [...statementsOf([event]), ...statements]))) await execute(remote, statements);
}

/**
 * Runs statements, of which the first write events.
 * @returns false, with nothing done, where the database has no trail yet: that must keep no user out
 * @throws Failure
 */
async function tell(remote: boolean, statements: string[], repeatable = false): Promise<boolean> {
  try {
    await execute(remote, statements, repeatable);
    return true;
  } catch (error) {
    if (!describe(error).includes("no such table: audit_events")) throw error;
    const migrates = remote ? "npm run deploy" : "npm start";
    console.error(
      `The audit trail does not tell of it: the database has none before ${migrates} has migrated it.`,
    );
    return false;
  }
}

function statementsOf(events: UserEvent[]): string[] {
  const run = randomUUID();
  const by = [literal(actor()), literal("command line"), "NULL", "NULL"];
  const now = Date.now();
  const statements: string[] = [];
  let rows: string[] = [];
  const flush = () => {
    if (rows.length > 0)
      statements.push(`INSERT INTO audit_events (${COLUMNS}) VALUES ${rows} ON CONFLICT DO NOTHING`);
    rows = [];
  };
  for (const { action, reference, detail } of events) {
    const id = literal([run, action, ...(reference === null ? [] : [reference])].join("/"));
    const what = [
      literal(action),
      "'done'",
      "NULL",
      orNull(reference),
      "NULL",
      "NULL",
      orNull(textOf(detail)),
    ];
    const row = `(${[id, now, ...by, ...what].join(", ")})`;
    if (rows.join().length + row.length > MAX_STATEMENT) flush();
    rows.push(row);
  }
  flush();
  return statements;
}

/** Whoever runs this program: no user of the registry has such a name. */
function actor(): string {
  return `${hostname()}#${nameOfUser()}`;
}

/** In a container he may have none. */
function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.());
  }
}

function textOf(detail: object | null): string | null {
  const text = detail && JSON.stringify(detail);
  return text !== null && text.length > MAX_DETAIL ? JSON.stringify({ characters: text.length }) : text;
}

function orNull(text: string | null): string {
  return text === null ? "NULL" : literal(text);
}
