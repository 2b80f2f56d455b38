/** The registry's database, local or, through wrangler, deployed. */

import { withLocal } from "./local-bindings.ts";
import { wrangler } from "./user-store.ts";

/**
 * Runs statements in one transaction.
 * @param remote the deployed registry's, instead of npm start's
 * @throws Failure with what the database or wrangler says
 */
export async function execute(remote: boolean, statements: string[]): Promise<void> {
  if (remote) {
    await wrangler(["d1", "execute", "DB", "--remote", "--yes", "--command", statements.join("; ")]);
  } else {
    await withLocal(({ DB }) => DB.batch(statements.map((sql) => DB.prepare(sql))));
  }
}

/**
 * A text as SQL. In hexadecimal digits, as wrangler looks for the ends of statements and for comments by itself, and
 * a pattern like team/** has the beginning of one.
 */
export function literal(text: string): string {
  return `CAST(x'${Buffer.from(text).toString("hex")}' AS TEXT)`;
}
