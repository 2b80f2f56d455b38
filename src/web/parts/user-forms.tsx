/** What is asked of a user: rights and a password. And what a form said of them. */

import { ACTIONS } from "../../auth/user-entry.ts";
import { faultOfGrant, faultOfPassword, MIN_PASSWORD, type Rights } from "../../auth/user-rules.ts";
import type { View } from "../context.ts";
import type { Texts } from "../texts/english.ts";

/** Rows that are empty yet: one saves, and has others. */
const MORE_ROWS = 2;

/** Of a form. */
const MAX_ROWS = 200;

export function RightsFields({ view, rights }: { view: View; rights: Rights }) {
  const { texts } = view;
  const empty = { repositories: [], actions: ["pull"] };
  const rows = [...rights.access, ...Array.from({ length: MORE_ROWS }, () => empty)];
  return (
    <>
      {rows.map(({ repositories, actions }, row) => (
        <fieldset>
          <legend>{texts.grant(row + 1)}</legend>
          <label class="wide" for={`repositories-${row}`}>
            {texts.repositoryPatterns}
          </label>
          <input
            id={`repositories-${row}`}
            name={`repositories-${row}`}
            value={repositories.join(" ")}
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
          />
          <div>
            {ACTIONS.map((action) => (
              <label>
                <input type="checkbox" name={`${action}-${row}`} checked={actions.includes(action)} />{" "}
                {action}
              </label>
            ))}
          </div>
        </fieldset>
      ))}
      <label>
        <input type="checkbox" name="admin" checked={rights.admin} /> {texts.administratorMeans}
      </label>
    </>
  );
}

/** Twice, or not at all: then one is made. */
export function PasswordFields({ view }: { view: View }) {
  const { texts } = view;
  return (
    <>
      <label for="password">{texts.newPassword}</label>
      <input id="password" name="password" type="password" autocomplete="new-password" />
      <label for="again">{texts.passwordAgain}</label>
      <input id="again" name="again" type="password" autocomplete="new-password" />
      <p class="muted">{texts.passwordMeans(MIN_PASSWORD)}</p>
    </>
  );
}

/** Rows without a pattern are none. @returns what is wrong, in words, where something is */
export function readRights(form: Record<string, string>, texts: Texts): Rights | string {
  const access: Rights["access"] = [];
  for (let row = 0; row < MAX_ROWS; row++) {
    const repositories = (form[`repositories-${row}`] ?? "").split(/\s+/).filter((each) => each !== "");
    if (repositories.length === 0) continue;
    const actions = ACTIONS.filter((action) => form[`${action}-${row}`] !== undefined);
    const fault = faultOfGrant(repositories, actions);
    if (fault !== null) return texts.noSuchPattern(fault.text);
    if (actions.length === 0) return texts.nothingAllowed(repositories.join(" "));
    access.push({ repositories, actions });
  }
  return { access, admin: form.admin !== undefined };
}

/** @returns what is wrong, in words; null where nothing is, or no password was named */
export function faultOfPasswords(
  { password = "", again = "" }: Record<string, string>,
  texts: Texts,
): string | null {
  if (password !== again) return texts.passwordsDiffer;
  if (password === "") return null;
  const fault = faultOfPassword(password);
  return fault === null || fault === "empty" ? null : texts.passwordFaults[fault];
}
