/** The Worker under test: the real one on the real bindings, which count what is asked of them and can be broken. */

import worker from "../../src/index.ts";
import { UploadSession as RealUploadSession } from "../../src/storage/upload/session.ts";
import { remembering } from "./background.ts";
import { instrument, instrumentState } from "./instrument.ts";
import { costs } from "./meter.ts";
import { withVariables } from "./settings.ts";

export class UploadSession extends RealUploadSession {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, instrument(env));
    Object.defineProperty(this, "ctx", { value: instrumentState(ctx) });
  }

  override alarm(): Promise<void> {
    costs.alarms++;
    return super.alarm();
  }
}

export default {
  fetch: (request, env, ctx) => {
    costs.requests++;
    return worker.fetch(request, instrument(withVariables(env)), remembering(ctx));
  },
} satisfies ExportedHandler<Env>;
