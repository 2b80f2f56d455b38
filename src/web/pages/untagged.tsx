/** What of a repository no tag leads to: it can still be pulled by its digest, and takes room until it is deleted. */

import { Hono } from "hono";
import type { RepositoryName } from "../../oci/reference.ts";
import { listUntagged, type Untagged } from "../../storage/browse/untagged.ts";
import { storesOf } from "../../storage/stores.ts";
import { authorize, mayDelete } from "../access.ts";
import type { View, WebEnv } from "../context.ts";
import { isImageConfig } from "../image.ts";
import { Crumbs, Pages, placePath } from "../parts/navigation.tsx";
import { Age, Bytes, Pulled, ShortDigest } from "../parts/values.tsx";
import { render } from "../render.tsx";

/** Manifests of a page. */
const PAGE = 50;

export const untagged = new Hono<WebEnv>();

// GET /untagged/<name>?after=<digest>
untagged.get("/untagged/:name{.+}", async (c) => {
  const name = authorize(c, "pull");
  const after = (c.req.query("after") ?? "").slice(0, 200);
  const found = await listUntagged(storesOf(c.env, name).db, name, after, PAGE);
  const props = { name, ...found, first: after === "", deletable: mayDelete(c, name) };
  return render(c, c.get("texts").untaggedImages, (view) => <Page view={view} {...props} />);
});

interface Props {
  view: View;
  name: RepositoryName;
  manifests: Untagged[];
  next: string | null;
  /** Whether it is the first page. */
  first: boolean;
  deletable: boolean;
}

function Page({ view, name, manifests, next, first, deletable }: Props) {
  const { texts } = view;
  const path = placePath("untagged", name);
  return (
    <>
      <Crumbs view={view} name={name} />
      <h1>{texts.untaggedImages}</h1>
      <p>{texts.untaggedMeans}</p>
      {manifests.length === 0 ? (
        <p>{next === null ? texts.noneUntagged : texts.noneYet}</p>
      ) : (
        <Table view={view} name={name} manifests={manifests} deletable={deletable} />
      )}
      <Pages
        view={view}
        first={first ? null : path}
        next={next === null ? null : `${path}?${new URLSearchParams({ after: next })}`}
      />
    </>
  );
}

function Table({
  view,
  name,
  manifests,
  deletable,
}: Pick<Props, "view" | "name" | "manifests" | "deletable">) {
  const { texts } = view;
  return (
    <table class="stack">
      <caption class="visually-hidden">{texts.untaggedImages}</caption>
      <thead>
        <tr>
          <th scope="col">{texts.digest}</th>
          <th scope="col">{texts.kind}</th>
          <th scope="col">{texts.neededBy}</th>
          <th scope="col" class="number">
            {texts.size}
          </th>
          <th scope="col">{texts.lastNeeded}</th>
          <th scope="col">{texts.lastPull}</th>
          {deletable ? <th scope="col">{texts.change}</th> : null}
        </tr>
      </thead>
      <tbody>
        {manifests.map((manifest) => (
          <tr>
            <th scope="row">
              <a href={placePath("image", name, manifest.digest)}>
                <ShortDigest digest={manifest.digest} />
              </a>
            </th>
            <td class="wrap" data-label={texts.kind}>
              {kindOf(view, manifest)}
            </td>
            <td data-label={texts.neededBy}>
              <Needed view={view} name={name} manifest={manifest} />
            </td>
            <td class="number" data-label={texts.size}>
              <Bytes view={view} bytes={manifest.bytes} />
            </td>
            <td data-label={texts.lastNeeded}>
              <Age view={view} at={manifest.usedAt} />
            </td>
            <td data-label={texts.lastPull}>
              <Pulled view={view} at={manifest.pulledAt} />
            </td>
            {deletable ? (
              <td data-label={texts.change}>
                <a
                  href={placePath("delete", name, manifest.digest)}
                  aria-label={texts.deleteTag(manifest.digest.slice(0, 19))}
                >
                  {texts.delete}
                </a>
              </td>
            ) : null}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** An image's configuration stands for its type, where it has no other. */
function kindOf({ texts }: View, { mediaType, artifactType }: Untagged): string {
  if (artifactType !== null && !isImageConfig(artifactType)) return artifactType;
  return /index|manifest\.list/.test(mediaType) ? texts.kinds.index : texts.kinds.image;
}

/** Whoever deletes a part of an index breaks it. */
function Needed({ view, name, manifest }: { view: View; name: string; manifest: Untagged }) {
  const { texts } = view;
  const { inIndex, subject } = manifest;
  if (inIndex) return <span class="mark">{texts.partOfIndex}</span>;
  if (subject === null) return <span class="muted">{texts.nothing}</span>;
  return (
    <>
      {texts.refersTo}{" "}
      <a href={placePath("image", name, subject)}>
        <ShortDigest digest={subject} />
      </a>
    </>
  );
}
