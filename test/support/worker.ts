/** The Worker under test: the real one on the real bindings, which count what is asked of them and can be broken. */

import { env } from "cloudflare:workers";
import worker from "../../src/index.ts";
import { StoredObjects as RealStoredObjects } from "../../src/storage/objects/edge.ts";
import { UploadSession as RealUploadSession } from "../../src/storage/upload/session.ts";
import { remembering } from "./background.ts";
import { withEdge } from "./edge.ts";
import { instrument, instrumentState } from "./instrument.ts";
import { costs } from "./meter.ts";
import { withVariables } from "./settings.ts";
import { meterStoreCalls } from "./store-calls.ts";

meterStoreCalls(() => withVariables(env).STORE_URL);

export class UploadSession extends RealUploadSession {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, instrument(withVariables(env)));
    Object.defineProperty(this, "ctx", { value: instrumentState(ctx) });
  }

  override alarm(): Promise<void> {
    costs.alarms++;
    return super.alarm();
  }
}

export class StoredObjects extends RealStoredObjects {
  constructor(ctx: ExecutionContext, env: Env) {
    super(ctx, instrument(withVariables(env)));
  }

  override fetch(request: Request): Promise<Response> {
    // A call of another entrypoint of the same Worker is billed as a request.
    costs.requests++;
    return super.fetch(request);
  }
}

export default {
  fetch: (request, env, ctx) => {
    costs.requests++;
    return worker.fetch(request, instrument(withVariables(env)), withEdge(remembering(ctx)));
  },
} satisfies ExportedHandler<Env>;
