/** The Worker. */

import { app } from "./app.ts";
import { collectGarbage } from "./gc/collect.ts";

export { StoredObjects } from "./storage/objects/edge.ts";
export { UploadSession } from "./storage/upload/session.ts";

export default {
  fetch: app.fetch,
  scheduled: async (_controller, env) => {
    const report = await collectGarbage(env, { dryRun: false });
    // The report is in the log and in the database; Cloudflare shows the invocation as failed.
    if (report?.outcome === "failed") throw new Error(`garbage collection failed: ${report.error}`);
  },
} satisfies ExportedHandler<Env>;
