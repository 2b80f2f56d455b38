/** What stands in the place of a page that cannot be shown. */

import type { Context } from "../context.ts";
import { render } from "../render.tsx";

/** @param message says what to do about it */
export function errorPage(c: Context, status: number, message: string): Response | Promise<Response> {
  const { errors } = c.get("texts");
  const title = errors[status as keyof typeof errors] ?? (status < 500 ? errors[400] : errors[500]);
  return render(
    c,
    title,
    (view) => (
      <>
        <h1>{title}</h1>
        <p class="problem" role="alert" lang="en">
          {message}
        </p>
        <p>
          <a href="/">{view.texts.home}</a>
        </p>
      </>
    ),
    status,
  );
}
