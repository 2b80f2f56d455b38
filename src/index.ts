/** The Worker. */

import { app } from "./app.ts";
import { collectGarbage } from "./gc.ts";

export { UploadSession } from "./storage/upload-session.ts";

export default {
  fetch: app.fetch,
  scheduled: async (_controller, env) => {
    await collectGarbage(env, { dryRun: false });
  },
} satisfies ExportedHandler<Env>;
