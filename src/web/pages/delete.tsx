/** Deleting a tag, or an image with all its tags: first what that would do, then the deed. */

import { Hono } from "hono";
import { RegistryError } from "../../oci/errors.ts";
import { isDigestReference, parseReference, type RepositoryName, type Tag } from "../../oci/reference.ts";
import { actorOf } from "../../routes/context.ts";
import { listManifests, lookAround, weighFreed } from "../../storage/browse/image.ts";
import { type DeletionOutcome, deleteManifest, deleteTag } from "../../storage/manifest-deletion.ts";
import { headManifest } from "../../storage/manifests.ts";
import { storesOf } from "../../storage/stores.ts";
import { authorize, notThere, requireDeletion } from "../access.ts";
import type { Context, View, WebEnv } from "../context.ts";
import { FormToken } from "../parts/forms.tsx";
import { Crumbs, placePath, repositoryPath } from "../parts/navigation.tsx";
import { Bytes } from "../parts/values.tsx";
import { render } from "../render.tsx";
import { readForm } from "../session.ts";

export const deletion = new Hono<WebEnv>();

// GET /delete/<name>/<tag or digest>
deletion.get("/delete/:name{.+}/:reference", async (c) => {
  const name = authorize(c, "delete");
  requireDeletion(c);
  const { db } = storesOf(c.env, name);
  const reference = parseReference(c.req.param("reference"));
  const info = await headManifest(db, name, reference, { now: Date.now(), gracePeriod: null });
  if (info === null) throw notThere();
  const [{ tags, referrers }, freed] = await Promise.all([
    lookAround(db, name, info.digest, []),
    weighFreed(db, name, info.digest),
  ]);
  const props = { name, reference, digest: info.digest, tags, referrers: referrers.length, freed };
  return render(c, c.get("texts").delete, (view) => <Deletion view={view} {...props} />);
});

// POST /delete/<name>/<tag or digest>
deletion.post("/delete/:name{.+}/:reference", async (c) => {
  const name = authorize(c, "delete");
  requireDeletion(c);
  const { what, digest } = await readForm(c);
  const reference = parseReference(c.req.param("reference"));
  const { db } = storesOf(c.env, name);
  const by = actorOf(c);
  if (what === "tag" && !isDigestReference(reference)) {
    refuse(await deleteTag(db, name, reference, by));
  } else if (what === "image") {
    const image = parseReference(digest ?? "");
    if (!isDigestReference(image)) throw notThere();
    refuse(await deleteManifest(db, name, image, by));
  } else {
    throw new RegistryError("UNSUPPORTED", "choose what to delete", { status: 400 });
  }
  return leave(c, name);
});

/** To the repository, if there is anything left of it. */
async function leave(c: Context, name: RepositoryName): Promise<Response> {
  const left = await listManifests(storesOf(c.env, name).db, name, 1);
  return c.redirect(left.length === 0 ? "/" : repositoryPath(name), 303);
}

/** @throws RegistryError unless it was deleted */
export function refuse(outcome: DeletionOutcome): void {
  switch (outcome.kind) {
    case "deleted":
      return;
    case "immutable": {
      const { tag, policy } = outcome.tag;
      const message = `the policy ${policy} keeps the tag ${tag} as it is: keep it, or have an administrator change the policy`;
      throw new RegistryError("DENIED", message, { status: 409 });
    }
    case "too-many-tags": {
      const message = "too many tags lead here to see whether a policy keeps one of them: delete some first";
      throw new RegistryError("DENIED", message, { status: 409 });
    }
    default:
      throw notThere();
  }
}

interface Props {
  view: View;
  name: RepositoryName;
  reference: string;
  digest: string;
  /** All that name it, up to a hundred. */
  tags: Tag[];
  /** How many refer to it. */
  referrers: number;
  /** Bytes. */
  freed: number;
}

function Deletion(props: Props) {
  const { view, name, reference, digest, tags, referrers, freed } = props;
  const { texts } = view;
  const isTag = reference !== digest;
  const others = tags.filter((tag) => tag !== reference);
  return (
    <>
      <Crumbs view={view} name={name} />
      <h1>{texts.deleteHeading(`${name}${isTag ? ":" : "@"}${reference}`)}</h1>
      {isTag ? (
        <section>
          <h2>{texts.onlyTheTag}</h2>
          <p>{texts.onlyTheTagMeans}</p>
          <DeleteForm {...props} what="tag" label={texts.deleteTag(reference)} />
        </section>
      ) : null}
      <section>
        <h2>{texts.theImage}</h2>
        <p class="digest">{digest}</p>
        <p>{others.length === 0 ? texts.noOtherTags : texts.withTags(tags.join(", "))}</p>
        {referrers === 0 ? null : <p>{texts.leavesReferrers(referrers)}</p>}
        <p>
          {texts.willBeFree} <Bytes view={view} bytes={freed} />
        </p>
        <p class="muted">{texts.freedLater}</p>
        <DeleteForm {...props} what="image" label={texts.deleteImage} />
      </section>
    </>
  );
}

interface FormProps extends Props {
  what: "tag" | "image";
  label: string;
}

function DeleteForm({ view, name, reference, digest, what, label }: FormProps) {
  return (
    <form method="post" action={placePath("delete", name, reference)}>
      <FormToken view={view} />
      <input type="hidden" name="what" value={what} />
      <input type="hidden" name="digest" value={digest} />
      <button type="submit" class="danger">
        {label}
      </button>
    </form>
  );
}
