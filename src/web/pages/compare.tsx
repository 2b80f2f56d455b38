/** What differs between two images of a repository. */

import { Hono } from "hono";
import { RegistryError } from "../../oci/errors.ts";
import { storesOf } from "../../storage/stores.ts";
import { authorize } from "../access.ts";
import { compareImages, type Difference, type LayerDifference } from "../comparison.ts";
import type { View, WebEnv } from "../context.ts";
import { type Image, loadImage } from "../image.ts";
import { Crumbs, placePath } from "../parts/navigation.tsx";
import { Bytes, ShortDigest } from "../parts/values.tsx";
import { render } from "../render.tsx";

export const compare = new Hono<WebEnv>();

// GET /compare/<name>?tag=<tag or digest>&tag=<tag or digest>
compare.get("/compare/:name{.+}", async (c) => {
  const name = authorize(c, "pull");
  const [one, other] = c.req.queries("tag") ?? [];
  if (one === undefined || other === undefined)
    throw new RegistryError("UNSUPPORTED", c.get("texts").chooseTwo, { status: 400 });
  const stores = storesOf(c.env, name);
  const access = c.get("access");
  const images = [
    await loadImage(stores, access, name, one),
    await loadImage(stores, access, name, other),
  ] as const;
  return render(c, `${one} · ${other}`, (view) => (
    <Comparison view={view} name={name} references={[one, other]} images={images} />
  ));
});

interface Props {
  view: View;
  name: string;
  references: readonly [string, string];
  images: readonly [Image, Image];
}

function Comparison({ view, name, references, images }: Props) {
  const { texts } = view;
  const [one, other] = images;
  const { layers, settings, platforms } = compareImages(one, other);
  return (
    <>
      <Crumbs view={view} name={name} />
      <h1>{texts.comparison(...references)}</h1>
      {one.info.digest === other.info.digest ? <p class="note">{texts.sameImage}</p> : null}
      {one.manifest.kind === "image" && other.manifest.kind === "image" ? (
        <p>
          <Bytes view={view} bytes={one.bytes} /> → <Bytes view={view} bytes={other.bytes} /> (
          {texts.larger(other.bytes - one.bytes)}{" "}
          <Bytes view={view} bytes={Math.abs(other.bytes - one.bytes)} />)
        </p>
      ) : null}
      {platforms.length === 0 ? null : <PlatformPairs view={view} name={name} platforms={platforms} />}
      {layers.length === 0 ? null : <LayerTable view={view} references={references} layers={layers} />}
      <h2>{texts.settings}</h2>
      {settings.length === 0 ? (
        <p>{texts.noDifference}</p>
      ) : (
        <SettingsTable view={view} references={references} settings={settings} />
      )}
    </>
  );
}

/** Of an index each platform is an image of its own. */
function PlatformPairs({ view, name, platforms }: { view: View; name: string; platforms: Difference[] }) {
  return (
    <section>
      <h2>{view.texts.platforms}</h2>
      <ul>
        {platforms.map(({ what, one, other }) => (
          <li>
            {one === "" || other === "" ? (
              `${what}: ${one === "" ? view.texts.added : view.texts.removed}`
            ) : (
              <a
                href={`${placePath("compare", name)}?${new URLSearchParams([
                  ["tag", one],
                  ["tag", other],
                ])}`}
              >
                {one === other ? `${what}: ${view.texts.same}` : what}
              </a>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

interface LayerTableProps {
  view: View;
  references: readonly [string, string];
  layers: LayerDifference[];
}

function LayerTable({ view, references, layers }: LayerTableProps) {
  const { texts } = view;
  const words = { both: texts.inBoth, one: texts.onlyIn(references[0]), other: texts.onlyIn(references[1]) };
  return (
    <section>
      <h2>{texts.layers}</h2>
      <table class="stack">
        <caption class="visually-hidden">{texts.layers}</caption>
        <thead>
          <tr>
            <th scope="col">{texts.where}</th>
            <th scope="col" class="number">
              {texts.size}
            </th>
            <th scope="col">{texts.madeBy}</th>
            <th scope="col">{texts.digest}</th>
          </tr>
        </thead>
        <tbody>
          {layers.map(({ where, digest, size, command }) => (
            <tr>
              <td data-label={texts.where}>
                <span class={where === "both" ? "mark" : where === "one" ? "mark bad" : "mark good"}>
                  {words[where]}
                </span>
              </td>
              <td class="number" data-label={texts.size}>
                <Bytes view={view} bytes={size} />
              </td>
              <td class="wrap" data-label={texts.madeBy}>
                <code>{command}</code>
              </td>
              <td data-label={texts.digest}>
                <ShortDigest digest={digest} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface SettingsTableProps {
  view: View;
  references: readonly [string, string];
  settings: Difference[];
}

function SettingsTable({ view, references, settings }: SettingsTableProps) {
  const { texts } = view;
  return (
    <table class="stack">
      <caption class="visually-hidden">{texts.settings}</caption>
      <thead>
        <tr>
          <th scope="col">{texts.name}</th>
          <th scope="col">{references[0]}</th>
          <th scope="col">{references[1]}</th>
        </tr>
      </thead>
      <tbody>
        {settings.map(({ what, one, other }) => (
          <tr>
            <th scope="row">{what}</th>
            <td class="wrap" data-label={references[0]}>
              {one || <span class="muted">{texts.nothing}</span>}
            </td>
            <td class="wrap" data-label={references[1]}>
              {other || <span class="muted">{texts.nothing}</span>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
