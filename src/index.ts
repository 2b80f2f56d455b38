/** The Worker. */

import { app } from "./app.ts";

export { UploadSession } from "./storage/upload-session.ts";

export default { fetch: app.fetch } satisfies ExportedHandler<Env>;
