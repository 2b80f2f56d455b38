/** What the registry's owner has said: tags that nobody can overwrite, and how much may be held. Admins only. */

import { Hono } from "hono";
import { RegistryError } from "../../oci/errors.ts";
import { type Policy, parseRule } from "../../oci/policies.ts";
import { parseQuota } from "../../oci/quotas.ts";
import { isLabel, LABEL_FORM } from "../../routes/admin-request.ts";
import { actorOf } from "../../routes/context.ts";
import {
  deletePolicyEverywhere,
  deleteQuotaEverywhere,
  listAllQuotas,
  putPolicyEverywhere,
  putQuotaEverywhere,
} from "../../storage/across/rules.ts";
import { listPolicies } from "../../storage/policies.ts";
import { mainStores } from "../../storage/stores.ts";
import { notThere, requireAdmin } from "../access.ts";
import type { View, WebEnv } from "../context.ts";
import { Choice, Field, FormToken } from "../parts/forms.tsx";
import { Bar, Bytes } from "../parts/values.tsx";
import { render } from "../render.tsx";
import { readForm } from "../session.ts";

export const rules = new Hono<WebEnv>();

// GET /rules
rules.get("/rules", async (c) => {
  requireAdmin(c);
  const { db } = mainStores(c.env);
  const [policies, quotas] = await Promise.all([listPolicies(db), listAllQuotas(c.env)]);
  return render(c, c.get("texts").places.rules, (view) => (
    <Rules view={view} policies={policies} quotas={quotas} />
  ));
});

// POST /rules/policy
rules.post("/rules/policy", async (c) => {
  requireAdmin(c);
  const { name = "", repositories = "", tags = "", except = "" } = await readForm(c);
  const rule = parseRule({
    ...{ kind: "immutable", repositories: words(repositories) },
    ...{ tags: words(tags), except: words(except) },
  });
  if (typeof rule === "string") throw malformed(rule);
  const policy: Policy = { name: labelOf(name), rule };
  const by = actorOf(c);
  if (!(await putPolicyEverywhere(c.env, policy, by, Date.now())))
    throw new RegistryError("DENIED", "there are 100 policies: remove one first, or put more into one", {
      status: 409,
    });
  return c.redirect("/rules", 303);
});

// POST /rules/quota
rules.post("/rules/quota", async (c) => {
  requireAdmin(c);
  const { name = "", kind, pattern = "", gigabytes = "" } = await readForm(c);
  const allowed = gigabytes.trim() === "" ? Number.NaN : Math.round(Number(gigabytes) * 1e9);
  const scope = kind === "owner" ? { owner: pattern.trim() } : { repositories: pattern.trim() };
  const quota = parseQuota({ ...scope, allowed });
  if (typeof quota === "string") throw malformed(quota);
  const by = actorOf(c);
  if ((await putQuotaEverywhere(c.env, labelOf(name), quota, by, Date.now())) === null)
    throw new RegistryError("DENIED", "there are 100 quotas: remove one first", { status: 409 });
  return c.redirect("/rules", 303);
});

// POST /rules/remove
rules.post("/rules/remove", async (c) => {
  requireAdmin(c);
  const { name = "", kind } = await readForm(c);
  const by = actorOf(c);
  const remove = kind === "quota" ? deleteQuotaEverywhere : deletePolicyEverywhere;
  if (!isLabel(name) || !(await remove(c.env, name, by, Date.now()))) throw notThere();
  return c.redirect("/rules", 303);
});

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** @throws RegistryError UNSUPPORTED 400 */
function labelOf(text: string): string {
  if (isLabel(text.trim())) return text.trim();
  throw malformed(`a name must have ${LABEL_FORM}`);
}

function malformed(message: string): RegistryError {
  return new RegistryError("UNSUPPORTED", message, { status: 400 });
}

interface Props {
  view: View;
  policies: Awaited<ReturnType<typeof listPolicies>>;
  quotas: Awaited<ReturnType<typeof listAllQuotas>>;
}

function Rules({ view, policies, quotas }: Props) {
  const { texts } = view;
  return (
    <>
      <h1>{texts.places.rules}</h1>
      <h2>{texts.policies}</h2>
      <p>{texts.policiesMean}</p>
      {policies.length === 0 ? <p>{texts.nonePolicies}</p> : <Policies view={view} policies={policies} />}
      <details>
        <summary>{texts.setPolicy}</summary>
        <form method="post" action="/rules/policy" class="row">
          <FormToken view={view} />
          <Labelled id="policy-name" name="name" label={texts.name} />
          <Field name="repositories" label={texts.repositoryPatterns} />
          <Field name="tags" label={texts.tagPatterns} />
          <Field name="except" label={texts.exceptPatterns} optional />
          <button type="submit">{texts.setPolicy}</button>
        </form>
      </details>
      <h2>{texts.quotas}</h2>
      {quotas.length === 0 ? <p>{texts.noneQuotas}</p> : <Quotas view={view} quotas={quotas} />}
      <details>
        <summary>{texts.setQuota}</summary>
        <form method="post" action="/rules/quota" class="row">
          <FormToken view={view} />
          <Labelled id="quota-name" name="name" label={texts.name} />
          <Choice
            name="kind"
            label={texts.kind}
            options={[
              ["repositories", texts.ofRepositories],
              ["owner", texts.ofOwner],
            ]}
          />
          <Field name="pattern" label={texts.patternOrUser} />
          <Field name="gigabytes" label={texts.gigabytes} />
          <button type="submit">{texts.setQuota}</button>
        </form>
      </details>
    </>
  );
}

/** A field whose name stands in two forms of the page. */
function Labelled({ id, name, label }: { id: string; name: string; label: string }) {
  return (
    <div>
      <label for={id}>{label}</label>
      <input id={id} name={name} autocomplete="off" autocapitalize="none" maxlength={64} required />
    </div>
  );
}

function Remove({ view, kind, name }: { view: View; kind: "policy" | "quota"; name: string }) {
  return (
    <form method="post" action="/rules/remove">
      <FormToken view={view} />
      <input type="hidden" name="kind" value={kind} />
      <input type="hidden" name="name" value={name} />
      <button type="submit" class="danger small" aria-label={view.texts.deleteTag(name)}>
        {view.texts.delete}
      </button>
    </form>
  );
}

function Policies({ view, policies }: Pick<Props, "view" | "policies">) {
  const { texts } = view;
  return (
    <table class="stack">
      <caption class="visually-hidden">{texts.policies}</caption>
      <thead>
        <tr>
          <th scope="col">{texts.name}</th>
          <th scope="col">{texts.places.repositories}</th>
          <th scope="col">{texts.tags}</th>
          <th scope="col">{texts.exceptPatterns}</th>
          <th scope="col">{texts.change}</th>
        </tr>
      </thead>
      <tbody>
        {policies.map(({ name, rule }) => (
          <tr>
            <th scope="row">{name}</th>
            <td data-label={texts.places.repositories}>{rule.repositories.join(" ")}</td>
            <td data-label={texts.tags}>{rule.tags.join(" ")}</td>
            <td data-label={texts.exceptPatterns}>{rule.except.join(" ")}</td>
            <td data-label={texts.change}>
              <Remove view={view} kind="policy" name={name} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Quotas({ view, quotas }: Pick<Props, "view" | "quotas">) {
  const { texts } = view;
  return (
    <table class="stack">
      <caption class="visually-hidden">{texts.quotas}</caption>
      <thead>
        <tr>
          <th scope="col">{texts.name}</th>
          <th scope="col">{texts.kind}</th>
          <th scope="col" class="number">
            {texts.used}
          </th>
          <th scope="col" class="number">
            {texts.allowed}
          </th>
          <th scope="col">{texts.change}</th>
        </tr>
      </thead>
      <tbody>
        {quotas.map((quota) => (
          <tr>
            <th scope="row">{quota.name}</th>
            <td data-label={texts.kind}>
              {"owner" in quota ? `${texts.ofOwner} ${quota.owner}` : quota.repositories}
            </td>
            <td class="number" data-label={texts.used}>
              <Bytes view={view} bytes={quota.used ?? 0} />
              <Bar part={Math.min(quota.used ?? 0, quota.allowed)} whole={quota.allowed} />
            </td>
            <td class="number" data-label={texts.allowed}>
              <Bytes view={view} bytes={quota.allowed} />
            </td>
            <td data-label={texts.change}>
              <Remove view={view} kind="quota" name={quota.name} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
