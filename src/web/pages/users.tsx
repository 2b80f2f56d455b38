/** Users and what they may do. Admins only; each leads to its own page. */

import { Hono } from "hono";
import { formatGrant, type Grant, isUserName, parseUserEntry } from "../../auth/user-entry.ts";
import { addUser } from "../../auth/user-making.ts";
import type { Rights } from "../../auth/user-rules.ts";
import { actorOf } from "../../routes/context.ts";
import { getUserEntry, listUserNames } from "../../storage/users.ts";
import { requireAdmin, requireRights } from "../access.ts";
import type { Context, View, WebEnv } from "../context.ts";
import { Field, FormToken } from "../parts/forms.tsx";
import { Pages, userPath } from "../parts/navigation.tsx";
import { faultOfPasswords, PasswordFields, RightsFields, readRights } from "../parts/user-forms.tsx";
import { rightsText } from "../parts/values.tsx";
import { render } from "../render.tsx";
import { readForm } from "../session.ts";
import { makePassword, show, written } from "./user.tsx";

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

// POST /users
users.post("/users", async (c) => {
  requireAdmin(c);
  const form = await readForm(c);
  const texts = c.get("texts");
  const name = (form.name ?? "").trim();
  const rights = readRights(form, texts);
  const named = isUserName(name) ? null : texts.noSuchName;
  const problem = named ?? faultOfPasswords(form, texts) ?? (typeof rights === "string" ? rights : null);
  if (problem !== null || typeof rights === "string")
    return add(c, { problem, name: name.slice(0, 128) }, 400);
  requireRights(c, rights);
  const password = form.password || makePassword();
  const entry = written(await addUser(c.env, actorOf(c), name, password, rights));
  return show(c, name, entry, { done: texts.userAdded, made: form.password ? null : password }, 201);
});

// GET /add-user
users.get("/add-user", (c) => {
  requireAdmin(c);
  return add(c, { problem: null, name: "" }, 200);
});

/** What a new user is offered: what most need. */
const USUAL: Rights = { access: [{ repositories: ["**"], actions: ["pull", "push"] }], admin: false };

function add(c: Context, { problem, name }: { problem: string | null; name: string }, status: number) {
  return render(
    c,
    c.get("texts").addUser,
    (view) => (
      <>
        <h1>{view.texts.addUser}</h1>
        {problem === null ? null : (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <form method="post" action="/users">
          <FormToken view={view} />
          <Field name="name" label={view.texts.user} value={name} />
          <PasswordFields view={view} />
          <h2>{view.texts.mayDo}</h2>
          <RightsFields view={view} rights={USUAL} />
          <p>
            <button type="submit">{view.texts.addUser}</button>
          </p>
        </form>
      </>
    ),
    status,
  );
}

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
      <p>
        <a class="button quiet" href="/add-user">
          {texts.addUser}
        </a>
      </p>
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
      <th scope="row">
        <a href={userPath(name)}>{name}</a>
      </th>
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
