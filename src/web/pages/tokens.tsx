/** Machine tokens: a user's own, and for an administrator everybody's. A token that is made is shown once. */

import { Hono } from "hono";
import { expiryOf } from "../../auth/machine-access.ts";
import { revokeToken } from "../../auth/token-making.ts";
import { ACTIONS, isUserName } from "../../auth/user-entry.ts";
import { RegistryError } from "../../oci/errors.ts";
import { isLabel } from "../../routes/admin-request.ts";
import { actorOf } from "../../routes/context.ts";
import { makeRequestedToken, parseTokenRequest } from "../../routes/token-request.ts";
import { type ListedToken, listTokens } from "../../storage/tokens.ts";
import { getUserEntry } from "../../storage/users.ts";
import { notThere, requirePassword } from "../access.ts";
import type { Context, View, WebEnv } from "../context.ts";
import { Field, FormToken } from "../parts/forms.tsx";
import { Command } from "../parts/pull.tsx";
import { Age, rightsText } from "../parts/values.tsx";
import { render } from "../render.tsx";
import { readForm } from "../session.ts";

export const tokens = new Hono<WebEnv>();

const DAY = 86_400;

// GET /tokens?owner=<user>
tokens.get("/tokens", async (c) => {
  requirePassword(c);
  return show(c, await ownerOf(c, c.req.query("owner")), null);
});

// POST /tokens
tokens.post("/tokens", async (c) => {
  requirePassword(c);
  const form = await readForm(c);
  const owner = await ownerOf(c, form.owner);
  const wanted = {
    name: form.name?.trim(),
    access: [
      {
        repositories: (form.repositories ?? "").split(/\s+/).filter((each) => each !== ""),
        actions: ACTIONS.filter((action) => form[`may-${action}`] !== undefined),
      },
    ],
    expiresIn: Number(form.days) * DAY,
  };
  const request = parseTokenRequest(JSON.stringify(wanted), c.get("settings").maxTokenLifetime);
  const caller = { access: c.get("access"), actor: actorOf(c) };
  const { token } = await makeRequestedToken(c.env, caller, owner, request);
  return show(c, owner, token);
});

// POST /tokens/revoke
tokens.post("/tokens/revoke", async (c) => {
  requirePassword(c);
  const { owner: asked, name = "" } = await readForm(c);
  const owner = await ownerOf(c, asked);
  const by = actorOf(c);
  if (!isLabel(name) || !(await revokeToken(c.env, by, owner, name))) throw notThere();
  return c.redirect(`/tokens?${new URLSearchParams({ owner })}`, 303);
});

/** @throws RegistryError DENIED for somebody else's, unless the caller is an administrator */
async function ownerOf(c: Context, asked: string | undefined): Promise<string> {
  const { user, admin } = c.get("access");
  if (user !== null && (asked === undefined || asked === "" || asked === user)) return user;
  if (!admin) throw new RegistryError("DENIED", `${user} is no administrator: manage your own tokens`);
  if (asked !== undefined && isUserName(asked) && (await getUserEntry(c.env.USERS, asked)) !== null)
    return asked;
  throw notThere();
}

async function show(c: Context, owner: string, made: string | null): Promise<Response> {
  const listed = await listTokens(c.env.USERS, owner);
  const maxLifetime = c.get("settings").maxTokenLifetime;
  const rows = listed.map((token) => ({ ...token, expiresAt: expiryOf(token, maxLifetime) }));
  const days = Math.min(90, (maxLifetime ?? Number.POSITIVE_INFINITY) / 1000 / DAY);
  return render(
    c,
    c.get("texts").places.tokens,
    (view) => <Tokens view={view} owner={owner} tokens={rows} made={made} days={days} />,
    made === null ? 200 : 201,
  );
}

interface Props {
  view: View;
  owner: string;
  tokens: ListedToken[];
  /** The one that was made just now. */
  made: string | null;
  /** How long one lives unless it is said otherwise. */
  days: number;
}

function Tokens({ view, owner, tokens, made, days }: Props) {
  const { texts } = view;
  return (
    <>
      <h1>{texts.tokensOf(owner)}</h1>
      {made === null ? null : (
        <section class="success" role="status">
          <h2>{texts.tokenMade}</h2>
          <p>{texts.tokenOnce}</p>
          <Command view={view} command={made} />
          <Command view={view} command={`docker login -u ${owner} --password-stdin ${view.host}`} />
        </section>
      )}
      {tokens.length === 0 ? <p>{texts.noTokens}</p> : <Table view={view} owner={owner} tokens={tokens} />}
      <h2>{texts.makeToken}</h2>
      <form method="post" action="/tokens">
        <FormToken view={view} />
        <input type="hidden" name="owner" value={owner} />
        <Field name="name" label={texts.name} />
        <Field name="repositories" label={texts.repositoryPatterns} value="**" />
        <fieldset>
          <legend>{texts.mayDo}</legend>
          {ACTIONS.map((action) => (
            <label>
              <input type="checkbox" name={`may-${action}`} checked={action === "pull"} /> {action}
            </label>
          ))}
        </fieldset>
        <Field name="days" label={texts.days} value={String(days)} type="number" />
        <p>
          <button type="submit">{texts.makeToken}</button>
        </p>
      </form>
      {owner === view.who ? <SignOutEverywhere view={view} /> : null}
      {view.admin ? (
        <form method="get" action="/tokens" class="row">
          <Field name="owner" label={texts.tokensOfUser} />
          <button type="submit" class="quiet">
            {texts.show}
          </button>
        </form>
      ) : null}
    </>
  );
}

/** Where somebody else may have a session: one's own other browsers too. */
function SignOutEverywhere({ view }: { view: View }) {
  const { texts } = view;
  return (
    <section>
      <h2>{texts.sessions}</h2>
      <p>{texts.sessionsMean}</p>
      <form method="post" action="/sign-out">
        <FormToken view={view} />
        <input type="hidden" name="everywhere" value="yes" />
        <button type="submit" class="quiet">
          {texts.signOutEverywhere}
        </button>
      </form>
    </section>
  );
}

function Table({ view, owner, tokens }: Pick<Props, "view" | "owner" | "tokens">) {
  const { texts } = view;
  return (
    <table class="stack">
      <caption class="visually-hidden">{texts.places.tokens}</caption>
      <thead>
        <tr>
          <th scope="col">{texts.name}</th>
          <th scope="col">{texts.mayDo}</th>
          <th scope="col">{texts.ends}</th>
          <th scope="col">{texts.lastUse}</th>
          <th scope="col">{texts.change}</th>
        </tr>
      </thead>
      <tbody>
        {tokens.map(({ name, access, expiresAt, lastUsedAt }) => (
          <tr>
            <th scope="row">{name}</th>
            <td class="wrap" data-label={texts.mayDo}>
              {rightsText(access)}
            </td>
            <td data-label={texts.ends}>
              {expiresAt === null ? texts.never : <Age view={view} at={expiresAt} />}
            </td>
            <td data-label={texts.lastUse}>
              {lastUsedAt === null ? texts.never : <Age view={view} at={lastUsedAt} />}
            </td>
            <td data-label={texts.change}>
              <form method="post" action="/tokens/revoke">
                <FormToken view={view} />
                <input type="hidden" name="owner" value={owner} />
                <input type="hidden" name="name" value={name} />
                <button type="submit" class="danger small" aria-label={texts.revokeToken(name)}>
                  {texts.revoke}
                </button>
              </form>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
