/** Pages for people: the order of middleware, the mounts, and the one place where errors become pages. */

import { Hono } from "hono";
import { requireTls } from "../auth/transport.ts";
import { readSettings } from "../config.ts";
import { RegistryError } from "../oci/errors.ts";
import { drained } from "../routes/drained.ts";
import { limitedBody } from "../routes/limited-body.ts";
import { refuseWrites } from "../routes/read-only.ts";
import { requestCount } from "../routes/request-count.ts";
import { requestLog } from "../routes/request-log.ts";
import { refusalOf, requireMigrated } from "../routes/unavailable.ts";
import { assets } from "./assets.ts";
import type { Context, WebEnv } from "./context.ts";
import { NOT_KEPT, pageHeaders } from "./headers.ts";
import { chooseLanguage, textsOf } from "./language.ts";
import { auditTrail } from "./pages/audit.tsx";
import { collection } from "./pages/collection.tsx";
import { compare } from "./pages/compare.tsx";
import { deletion } from "./pages/delete.tsx";
import { repositoryDeletion } from "./pages/delete-repository.tsx";
import { errorPage } from "./pages/error.tsx";
import { image } from "./pages/image.tsx";
import { layer } from "./pages/layer.tsx";
import { repositories } from "./pages/repositories.tsx";
import { repository } from "./pages/repository.tsx";
import { retag } from "./pages/retag.tsx";
import { rules } from "./pages/rules.tsx";
import { signIn } from "./pages/sign-in.tsx";
import { tokens } from "./pages/tokens.tsx";
import { untagged } from "./pages/untagged.tsx";
import { usage } from "./pages/usage.tsx";
import { user } from "./pages/user.tsx";
import { users } from "./pages/users.tsx";
import { readSession } from "./session.ts";

/** Of a form. Bytes. */
const MAX_FORM = 64 * 1024;

/** Forms that change what clients pull. */
const CONTENT = /^\/(?:delete|delete-repository|retag)\//;

export const web = new Hono<WebEnv>();

web.use(requestLog);

web.use(drained);

// What every answer carries, refusals too.
web.use(async (c, next) => {
  const language = chooseLanguage(c.req.header("Accept-Language"));
  c.set("language", language);
  c.set("texts", textsOf(language));
  await next();
  for (const [name, value] of Object.entries(pageHeaders(new URL(c.req.url)))) c.header(name, value);
  if (!c.res.headers.has("Cache-Control")) c.header("Cache-Control", NOT_KEPT);
});

web.use(async (c, next) => {
  c.set("settings", readSettings(c.env));
  // Before a cookie is read.
  requireTls(new URL(c.req.url), c.get("settings").allowHttp);
  await next();
});

web.use(requestCount);

web.route("/", assets);

web.use(requireMigrated);

web.use(readSession);

web.use(refuseWrites(CONTENT));

web.use(
  limitedBody(MAX_FORM, () => new RegistryError("UNSUPPORTED", "the form is too large", { status: 413 })),
);

web.route("/", signIn);
web.route("/", repositories);
web.route("/", image);
web.route("/", compare);
web.route("/", layer);
web.route("/", untagged);
web.route("/", deletion);
web.route("/", repositoryDeletion);
web.route("/", retag);
web.route("/", collection);
web.route("/", tokens);
web.route("/", usage);
web.route("/", users);
web.route("/", user);
web.route("/", rules);
web.route("/", auditTrail);
web.route("/", repository);

web.notFound((c) =>
  answer(c, new RegistryError("NAME_UNKNOWN", "there is no such page, or nothing that you may see")),
);

web.onError((error, c) => {
  const refusal = refusalOf(error, c.req);
  return refusal === null ? errorPage(c, 500, "internal error; it has been logged") : answer(c, refusal);
});

/** Whoever is not signed in is asked to, and comes back; others are told. */
function answer(c: Context, error: RegistryError): Response | Promise<Response> {
  const retry = error.headers["Retry-After"];
  if (retry !== undefined) c.header("Retry-After", retry);
  if (error.status === 401) {
    const { pathname, search } = new URL(c.req.url);
    const to = c.req.method === "GET" ? pathname + search : "/";
    return c.redirect(`/sign-in?${new URLSearchParams({ to })}`, 303);
  }
  return errorPage(c, error.status, error.message);
}
