/** From components to an answer. */

import { raw } from "hono/html";
import type { Child } from "hono/jsx";
import type { Access } from "../auth/access.ts";
import { formTokenOf } from "../auth/session.ts";
import type { Context, View } from "./context.ts";
import { Layout } from "./parts/layout.tsx";

/** What a page may know of its request. */
export function viewOf(c: Context): View {
  // What is refused early has come to no caller.
  const access: Access | undefined = c.get("access");
  const { host, pathname, search } = new URL(c.req.url);
  const cookie = c.get("cookie") ?? "";
  return {
    texts: c.get("texts"),
    language: c.get("language"),
    who: access?.who ?? null,
    admin: access?.admin ?? false,
    byPassword: access?.byPassword ?? false,
    formToken: cookie === "" ? "" : formTokenOf(cookie),
    host,
    path: pathname + search,
    now: Date.now(),
  };
}

/** @param title of the page, in the caller's language */
export function render(
  c: Context,
  title: string,
  content: (view: View) => Child,
  status: number = 200,
): Response | Promise<Response> {
  const view = viewOf(c);
  c.header("Content-Language", view.language);
  return c.html(
    <>
      {raw("<!DOCTYPE html>")}
      <Layout view={view} title={title}>
        {content(view)}
      </Layout>
    </>,
    status as 200,
  );
}
