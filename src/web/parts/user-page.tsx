/** One user, with the forms that change it. */

import { formatGrant, parseUserEntry } from "../../auth/user-entry.ts";
import { parseUser, type Rights, versionOf } from "../../auth/user-rules.ts";
import type { View } from "../context.ts";
import { Field, FormToken } from "./forms.tsx";
import { userPath } from "./navigation.tsx";
import { Command } from "./pull.tsx";
import { PasswordFields, RightsFields } from "./user-forms.tsx";

/** What came of a form. */
export interface Said {
  problem?: string;
  /** What was done. */
  done?: string;
  /** The password that was made. */
  made?: string | null;
}

interface Props extends Said {
  view: View;
  name: string;
  /** As it is stored. */
  entry: string;
  /** Whether it is who looks at it. */
  own: boolean;
}

export function UserPage({ view, name, entry, own, problem, done, made = null }: Props) {
  const { texts } = view;
  const parsed = parseUser(entry);
  // A bare hash is all rights.
  const all = { access: (parseUserEntry(entry)?.grants ?? []).map(formatGrant), admin: true };
  const form = { view, name, version: versionOf(entry) };
  return (
    <>
      <p>
        <a href="/users">{texts.allUsers}</a>
      </p>
      <h1>{name}</h1>
      {problem === undefined ? null : (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {done === undefined ? null : <Done view={view} done={done} made={made} />}
      {parsed === null ? <p class="note">{texts.malformedMeans}</p> : null}
      {parsed === null || own ? null : <RightsForm {...form} rights={parsed.rights ?? all} />}
      {own ? <p class="note">{texts.ownRights}</p> : null}
      {parsed === null ? null : <PasswordForm {...form} own={own} />}
      <h2>{texts.places.tokens}</h2>
      <p>
        <a href={`/tokens?${new URLSearchParams({ owner: name })}`}>{texts.tokensOf(name)}</a>
      </p>
      {own ? null : <EndForms {...form} />}
    </>
  );
}

function Done({ view, done, made }: { view: View; done: string; made: string | null }) {
  const { texts } = view;
  return (
    <section class="success" role="status">
      <p>{done}</p>
      <p class="muted">{texts.changeMeans}</p>
      {made === null ? null : (
        <>
          <p>{texts.passwordOnce}</p>
          <Command view={view} command={made} />
        </>
      )}
    </section>
  );
}

interface FormProps {
  view: View;
  name: string;
  /** Of the entry that the form is about. */
  version: string;
}

function RightsForm({ view, name, version, rights }: FormProps & { rights: Rights }) {
  const { texts } = view;
  return (
    <section>
      <h2>{texts.mayDo}</h2>
      <form method="post" action={userPath(name, "rights")}>
        <FormToken view={view} />
        <input type="hidden" name="version" value={version} />
        <RightsFields view={view} rights={rights} />
        <p>
          <button type="submit">{texts.setRights}</button>
        </p>
      </form>
    </section>
  );
}

function PasswordForm({ view, name, version, own }: FormProps & { own: boolean }) {
  const { texts } = view;
  return (
    <section>
      <h2>{texts.newPassword}</h2>
      {own ? <p>{texts.ownPassword}</p> : null}
      <form method="post" action={userPath(name, "password")}>
        <FormToken view={view} />
        <input type="hidden" name="version" value={version} />
        <input type="hidden" name="username" value={name} autocomplete="username" />
        <PasswordFields view={view} />
        <p>
          <button type="submit">{texts.setPassword}</button>
        </p>
      </form>
    </section>
  );
}

function EndForms({ view, name, version }: FormProps) {
  const { texts } = view;
  return (
    <section>
      <h2>{texts.sessions}</h2>
      <form method="post" action={userPath(name, "sessions")}>
        <FormToken view={view} />
        <button type="submit" class="quiet">
          {texts.endSessions}
        </button>
      </form>
      <h2>{texts.removeUser(name)}</h2>
      <p>{texts.removeUserMeans}</p>
      <form method="post" action={userPath(name, "remove")}>
        <FormToken view={view} />
        <input type="hidden" name="version" value={version} />
        <Field name="typed" label={texts.typeName(name)} />
        <p>
          <button type="submit" class="danger">
            {texts.removeUser(name)}
          </button>
        </p>
      </form>
    </section>
  );
}
