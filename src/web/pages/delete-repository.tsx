/** Deleting a whole repository, once its name has been typed: so many manifests at a time. */

import { Hono } from "hono";
import type { RepositoryName } from "../../oci/reference.ts";
import { actorOf } from "../../routes/context.ts";
import { listManifests } from "../../storage/browse/image.ts";
import { type Summary, summarize } from "../../storage/browse/summaries.ts";
import { deleteManifest } from "../../storage/manifest-deletion.ts";
import { storesOf } from "../../storage/stores.ts";
import { authorize, notThere, requireDeletion } from "../access.ts";
import type { View, WebEnv } from "../context.ts";
import { FormToken } from "../parts/forms.tsx";
import { Crumbs, placePath } from "../parts/navigation.tsx";
import { Bytes, Count } from "../parts/values.tsx";
import { render } from "../render.tsx";
import { readForm } from "../session.ts";
import { refuse } from "./delete.tsx";

/** Manifests that one request deletes. */
const AT_ONCE = 50;

/** How many blobs are added up. */
const MAX_BLOBS = 2000;

export const repositoryDeletion = new Hono<WebEnv>();

// GET /delete-repository/<name>
repositoryDeletion.get("/delete-repository/:name{.+}", async (c) => {
  const name = authorize(c, "delete");
  requireDeletion(c);
  const [summary] = await summarize(storesOf(c.env, name).db, [name], MAX_BLOBS);
  if (summary === undefined) throw notThere();
  return render(c, c.get("texts").deleteRepository, (view) => (
    <Ask view={view} name={name} summary={summary} wrong={false} />
  ));
});

// POST /delete-repository/<name>
repositoryDeletion.post("/delete-repository/:name{.+}", async (c) => {
  const name = authorize(c, "delete");
  requireDeletion(c);
  const { typed } = await readForm(c);
  const { db } = storesOf(c.env, name);
  if (typed?.trim() !== name) {
    const [summary] = await summarize(db, [name], MAX_BLOBS);
    if (summary === undefined) throw notThere();
    const content = (view: View) => <Ask view={view} name={name} summary={summary} wrong />;
    return render(c, c.get("texts").deleteRepository, content, 400);
  }
  const digests = await listManifests(db, name, AT_ONCE + 1);
  if (digests.length === 0) throw notThere();
  for (const digest of digests.slice(0, AT_ONCE)) {
    const outcome = await deleteManifest(db, name, digest, actorOf(c));
    // Somebody else was faster.
    if (outcome.kind !== "unknown") refuse(outcome);
  }
  if (digests.length <= AT_ONCE) return c.redirect("/", 303);
  return render(c, c.get("texts").deleteRepository, (view) => <GoOn view={view} name={name} />);
});

interface AskProps {
  view: View;
  name: RepositoryName;
  summary: Summary;
  /** Whether another name was typed. */
  wrong: boolean;
}

function Ask({ view, name, summary, wrong }: AskProps) {
  const { texts } = view;
  const { tags, bytes } = summary;
  return (
    <>
      <Crumbs view={view} name={name} />
      <h1>{texts.deleteHeading(name)}</h1>
      {wrong ? (
        <p class="problem" role="alert">
          {texts.typedWrong}
        </p>
      ) : null}
      <p>{texts.deleteRepositoryMeans}</p>
      <dl class="facts">
        <dt>{texts.tags}</dt>
        <dd>
          <Count view={view} count={tags.count} atLeast={tags.more} />
        </dd>
        <dt>{texts.willBeFree}</dt>
        <dd>
          <Bytes view={view} bytes={bytes.own} atLeast={bytes.more} />
        </dd>
      </dl>
      <p class="muted">{texts.freedLater}</p>
      <form method="post" action={placePath("delete-repository", name)}>
        <FormToken view={view} />
        <label for="typed">{texts.typeName(name)}</label>
        <input id="typed" name="typed" autocomplete="off" autocapitalize="none" spellcheck={false} required />
        <p>
          <button type="submit" class="danger">
            {texts.deleteRepository}
          </button>
        </p>
      </form>
    </>
  );
}

function GoOn({ view, name }: { view: View; name: RepositoryName }) {
  const { texts } = view;
  return (
    <>
      <h1>{texts.deleteHeading(name)}</h1>
      <p class="note" role="status">
        {texts.deletedSoFar(AT_ONCE)}
      </p>
      <form method="post" action={placePath("delete-repository", name)}>
        <FormToken view={view} />
        <input type="hidden" name="typed" value={name} />
        <button type="submit" class="danger">
          {texts.goOn}
        </button>
      </form>
    </>
  );
}
