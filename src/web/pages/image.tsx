/** One image, index or artifact. */

import { Hono } from "hono";
import { storesOf } from "../../storage/stores.ts";
import { authorize, mayDelete } from "../access.ts";
import type { View, WebEnv } from "../context.ts";
import { type Image, loadImage, readText } from "../image.ts";
import { Configuration } from "../parts/configuration.tsx";
import { Pairs } from "../parts/facts.tsx";
import { Layers } from "../parts/layers.tsx";
import { Crumbs, placePath } from "../parts/navigation.tsx";
import { PullCommands } from "../parts/pull.tsx";
import { Readme } from "../parts/readme.tsx";
import { Platforms, Referrers } from "../parts/relations.tsx";
import { Marks } from "../parts/tag-table.tsx";
import { Age, Bytes, Pulled } from "../parts/values.tsx";
import { render } from "../render.tsx";

/** Of a manifest's text, what is shown on the page. Characters. */
const MAX_SHOWN = 64 * 1024;

export const image = new Hono<WebEnv>();

// GET /raw/<name>/<tag or digest>
image.get("/raw/:name{.+}/:reference", async (c) => {
  const name = authorize(c, "pull");
  const { text } = await readText(storesOf(c.env, name), name, c.req.param("reference"));
  // Whatever it holds, a browser shows it as a text.
  return c.text(text, 200, { "Content-Type": "text/plain; charset=utf-8" });
});

// GET /image/<name>/<tag or digest>
image.get("/image/:name{.+}/:reference", async (c) => {
  const name = authorize(c, "pull");
  const reference = c.req.param("reference");
  const found = await loadImage(storesOf(c.env, name), c.get("access"), name, reference);
  const mayPush = c.get("access").may("push", name);
  const rights = { deletable: mayDelete(c, name), mayPush };
  return render(c, `${name}:${reference}`, (view) => (
    <Page view={view} name={name} reference={reference} image={found} {...rights} />
  ));
});

interface Props {
  view: View;
  name: string;
  reference: string;
  image: Image;
  deletable: boolean;
  mayPush: boolean;
}

function Page({ view, name, reference, image, deletable, mayPush }: Props) {
  const { texts } = view;
  const { manifest, config, around, info, tag } = image;
  return (
    <>
      <Crumbs view={view} name={name} />
      <h1>{tag === null ? reference : `${name.split("/").at(-1)}:${reference}`}</h1>
      <Facts view={view} name={name} image={image} />
      {deletable || mayPush ? (
        <p class="row">
          {mayPush ? (
            <a class="button quiet" href={placePath("retag", name, info.digest)}>
              {texts.retag}
            </a>
          ) : null}
          {deletable ? (
            <a class="button quiet" href={placePath("delete", name, reference)}>
              {tag === null ? texts.deleteImage : texts.deleteTagOrImage}
            </a>
          ) : null}
        </p>
      ) : null}
      <Readme view={view} texts={[...manifest.annotations, ...(config?.labels ?? [])]} />
      <PullCommands view={view} name={name} tag={tag?.name ?? null} digest={info.digest} />
      {manifest.kind === "index" ? (
        <Platforms view={view} name={name} manifests={manifest.manifests} />
      ) : (
        <Layers view={view} name={name} manifest={manifest} config={config} elsewhere={around.elsewhere} />
      )}
      {config === null ? null : <Configuration view={view} config={config} />}
      <Pairs heading={texts.annotations} pairs={manifest.annotations} view={view} />
      <Referrers view={view} name={name} digest={info.digest} referrers={around.referrers} />
      <h2>{texts.manifest}</h2>
      <p>
        <a href={placePath("raw", name, info.digest)}>{texts.rawManifest}</a>
      </p>
      <details>
        <summary>{texts.showManifest}</summary>
        <pre tabindex={0}>{image.text.slice(0, MAX_SHOWN)}</pre>
      </details>
    </>
  );
}

function Facts({ view, name, image }: Pick<Props, "view" | "name" | "image">) {
  const { texts } = view;
  const { info, tag, manifest, config, around, bytes } = image;
  return (
    <dl class="facts">
      <dt>{texts.digest}</dt>
      <dd class="digest">{info.digest}</dd>
      <dt>{texts.kind}</dt>
      <dd>{manifest.artifactType ?? texts.kinds[manifest.kind]}</dd>
      {manifest.kind === "index" ? null : (
        <>
          <dt>{texts.size}</dt>
          <dd>
            <Bytes view={view} bytes={bytes} />
          </dd>
        </>
      )}
      {config?.platform == null ? null : (
        <>
          <dt>{texts.platform}</dt>
          <dd>{config.platform}</dd>
        </>
      )}
      {tag === null ? null : (
        <>
          <dt>{texts.pushed}</dt>
          <dd>
            <Age view={view} at={tag.updatedAt} />
            {tag.pushedBy === null ? null : ` ${texts.by(tag.pushedBy)}`}
          </dd>
        </>
      )}
      <dt>{texts.lastPull}</dt>
      <dd>
        <Pulled view={view} at={info.pulledAt} />
      </dd>
      <dt>{texts.tags}</dt>
      <dd>
        {around.tags.length === 0
          ? texts.untagged
          : around.tags.map((each) => (
              <>
                <a href={placePath("image", name, each)}>{each}</a>{" "}
              </>
            ))}
      </dd>
      <dt>{texts.attached}</dt>
      <dd>
        <Marks view={view} marks={image.marks} />
      </dd>
    </dl>
  );
}
