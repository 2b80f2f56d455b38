/** The registry's database, local or deployed, through wrangler. */

import { wrangler } from "./user-store.ts";
import { STATE } from "./wrangler.ts";

/**
 * Runs statements in one transaction.
 * @param remote the deployed registry's, instead of npm start's
 * @throws Failure with what wrangler says
 */
export async function execute(remote: boolean, statements: string[]): Promise<void> {
  const where = remote ? ["--remote"] : ["--local", "--persist-to", STATE];
  await wrangler(["d1", "execute", "DB", ...where, "--yes", "--command", statements.join("; ")]);
}

/**
 * A text as SQL. In hexadecimal digits, as wrangler looks for the ends of statements and for comments by itself, and
 * a pattern like team/** has the beginning of one.
 */
export function literal(text: string): string {
  return `CAST(x'${Buffer.from(text).toString("hex")}' AS TEXT)`;
}
