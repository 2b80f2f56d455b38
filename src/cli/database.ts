/** The registry's database, local or, through Cloudflare's API, deployed. */

import { openDeployment } from "./cloudflare/deployment.ts";
import { badInput } from "./failure.ts";
import { withLocal } from "./local-bindings.ts";

/**
 * Runs statements in one transaction.
 * @param remote the deployed registry's, instead of npm start's
 * @param repeatable whether they may be done twice, when nobody knows whether they were done
 * @throws Failure with what the database says
 */
export async function execute(remote: boolean, statements: string[], repeatable = false): Promise<void> {
  if (remote) {
    const deployment = await openDeployment();
    const id = await deployment.database();
    if (id === null) throw badInput("No database is deployed in this account: run npm run deploy first.");
    const path = deployment.path(`/d1/database/${id}/query`);
    await deployment.api.send("POST", path, { sql: statements.join("; ") }, repeatable);
  } else {
    await withLocal(({ DB }) => DB.batch(statements.map((sql) => DB.prepare(sql))));
  }
}

/**
 * A text as SQL. In hexadecimal digits, as D1 looks for the ends of statements and for comments by itself, and a
 * pattern like team/** has the beginning of one.
 */
export function literal(text: string): string {
  return `CAST(x'${Buffer.from(text).toString("hex")}' AS TEXT)`;
}
