/**
 * What answers: below /v2 the registry, elsewhere pages for people. Of the registry the order of middleware, the
 * mounts, and the one place where errors become responses.
 */

import { Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { authenticate } from "./auth/authenticate.ts";
import { closedToBrowsers, refuseOtherSites, requireTls } from "./auth/transport.ts";
import { readSettings } from "./config.ts";
import { RegistryError } from "./oci/errors.ts";
import { audit } from "./routes/audit.ts";
import { base } from "./routes/base.ts";
import { blobs } from "./routes/blobs.ts";
import { collection } from "./routes/collection.ts";
import { type Context, callerOf, type RegistryEnv } from "./routes/context.ts";
import { drained } from "./routes/drained.ts";
import { health } from "./routes/health.ts";
import { manifests } from "./routes/manifests.ts";
import { migrateStore } from "./routes/migrate-store.ts";
import { policies } from "./routes/policies.ts";
import { quotas } from "./routes/quotas.ts";
import { CONTENT, refuseWrites } from "./routes/read-only.ts";
import { referrers } from "./routes/referrers.ts";
import { relocation } from "./routes/relocation.ts";
import { requestCount } from "./routes/request-count.ts";
import { requestLog } from "./routes/request-log.ts";
import { scrub } from "./routes/scrub.ts";
import { metrics, status } from "./routes/status.ts";
import { tags } from "./routes/tags.ts";
import { token } from "./routes/token.ts";
import { tokens } from "./routes/tokens.ts";
import { askStore, refusalOf, requireMigrated } from "./routes/unavailable.ts";
import { uploadStart } from "./routes/upload-start.ts";
import { uploads } from "./routes/uploads.ts";
import { web } from "./web/web.ts";

/** What no page is at. */
const FOR_PROGRAMS = /^\/(?:v2(?:\/.*)?|healthz|metrics)$/s;

export const registry = new Hono<RegistryEnv>();

registry.use(requestLog);

registry.use(drained);

// What every answer carries, refusals too.
registry.use(async (c, next) => {
  await next();
  c.header("Docker-Distribution-Api-Version", "registry/2.0");
  for (const [name, value] of Object.entries(closedToBrowsers(new URL(c.req.url)))) c.header(name, value);
});

registry.use(async (c, next) => {
  c.set("settings", readSettings(c.env));
  await next();
});

registry.use(requestCount);

// Load balancers ask it over plain HTTP, and send nothing that could be read on the way.
registry.route("/", health);

// Before credentials are read.
registry.use(async (c, next) => {
  const url = new URL(c.req.url);
  requireTls(url, c.get("settings").allowHttp);
  refuseOtherSites(c.req.method, url, c.req.raw.headers);
  await next();
});

registry.use(requireMigrated);

registry.route("/", metrics);

registry.use(askStore);

// Who is calling. What they may do is for each handler to ask: it knows the repository and the action.
registry.use(async (c, next) => {
  c.set("access", await authenticate(callerOf(c), Date.now()));
  await next();
});

registry.use(refuseWrites(CONTENT));

registry.use(
  methodNotAllowed({
    app: registry,
    onMethodNotAllowed: (c, methods) => {
      const message = `${c.req.method} is not supported here: use one of ${methods.join(", ")}`;
      return respond(
        c,
        new RegistryError("UNSUPPORTED", message, { headers: { Allow: methods.join(", ") } }),
      );
    },
  }),
);

registry.route("/", base);
registry.route("/", blobs);
registry.route("/", uploadStart);
registry.route("/", uploads);
registry.route("/", manifests);
registry.route("/", tags);
registry.route("/", referrers);
registry.route("/", collection);
registry.route("/", status);
registry.route("/", scrub);
registry.route("/", migrateStore);
registry.route("/", relocation);
registry.route("/", token);
registry.route("/", tokens);
registry.route("/", audit);
registry.route("/", policies);
registry.route("/", quotas);

registry.notFound((c) =>
  respond(c, new RegistryError("UNSUPPORTED", "there is no such endpoint", { status: 404 })),
);

registry.onError((error, c) => {
  const refusal = refusalOf(error, c.req);
  if (refusal !== null) return respond(c, refusal);
  return c.json({ errors: [{ code: "UNKNOWN", message: "internal error; it has been logged" }] }, 500);
});

function respond(c: Context, error: RegistryError): Response {
  return c.json({ errors: error.entries }, error.status as 400, error.headers);
}

/** Clients and browsers see nothing of one another: headers, errors and cookies are each's own. */
export const app = {
  fetch(request: Request, env: Env, ctx: ExecutionContext): Response | Promise<Response> {
    const { pathname } = new URL(request.url);
    const answering = FOR_PROGRAMS.test(pathname) ? registry : web;
    return answering.fetch(request, env, ctx);
  },
};
