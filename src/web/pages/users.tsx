/** Users and what they may do. Admins only; they are changed by `npm run user`. */

import { Hono } from "hono";
import { formatGrant, type Grant, isUserName, parseUserEntry } from "../../auth/user-entry.ts";
import { getUserEntry, listUserNames } from "../../storage/users.ts";
import { requireAdmin } from "../access.ts";
import type { View, WebEnv } from "../context.ts";
import { Pages } from "../parts/navigation.tsx";
import { rightsText } from "../parts/values.tsx";
import { render } from "../render.tsx";

/** KV's own are short. Characters. */
const MAX_CURSOR = 1000;

export const users = new Hono<WebEnv>();

// GET /users?after=<cursor>
users.get("/users", async (c) => {
  requireAdmin(c);
  const after = c.req.query("after") ?? "";
  const cursor = /^[\w+/=.-]+$/.test(after) && after.length <= MAX_CURSOR ? after : null;
  const { names, next } = await listUserNames(c.env.USERS, isUserName, cursor);
  const entries = await Promise.all(names.map((name) => getUserEntry(c.env.USERS, name)));
  const rows = names.flatMap((name, index) => {
    const entry = entries[index] ?? null;
    // KV's list may be a little behind.
    return entry === null ? [] : [{ name, rights: parseUserEntry(entry) }];
  });
  return render(c, c.get("texts").places.users, (view) => <Page view={view} rows={rows} next={next} />);
});

interface Row {
  name: string;
  /** Null where the entry is malformed. */
  rights: { grants: Grant[]; admin: boolean } | null;
}

function Page({ view, rows, next }: { view: View; rows: Row[]; next: string | null }) {
  const { texts } = view;
  return (
    <>
      <h1>{texts.places.users}</h1>
      <p>{texts.usersMeans}</p>
      {rows.length === 0 ? null : (
        <table class="stack">
          <caption class="visually-hidden">{texts.places.users}</caption>
          <thead>
            <tr>
              <th scope="col">{texts.name}</th>
              <th scope="col">{texts.mayDo}</th>
              <th scope="col">{texts.administrator}</th>
              <th scope="col">{texts.places.tokens}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <User view={view} {...row} />
            ))}
          </tbody>
        </table>
      )}
      <Pages
        view={view}
        first={next === null && rows.length > 0 ? null : "/users"}
        next={next === null ? null : `/users?${new URLSearchParams({ after: next })}`}
      />
    </>
  );
}

function User({ view, name, rights }: Row & { view: View }) {
  const { texts } = view;
  return (
    <tr>
      <th scope="row">{name}</th>
      <td class="wrap" data-label={texts.mayDo}>
        {rights === null ? texts.malformedEntry : rightsText(rights.grants.map(formatGrant)) || texts.nothing}
      </td>
      <td data-label={texts.administrator}>{rights?.admin ? texts.yes : texts.no}</td>
      <td data-label={texts.places.tokens}>
        <a href={`/tokens?${new URLSearchParams({ owner: name })}`}>{texts.tokensOf(name)}</a>
      </td>
    </tr>
  );
}
