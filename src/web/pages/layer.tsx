/** The files of a layer. */

import { Hono } from "hono";
import { parseDigest } from "../../oci/digest.ts";
import { getBlob } from "../../storage/blobs.ts";
import { storesOf } from "../../storage/stores.ts";
import { authorize, notThere } from "../access.ts";
import type { View, WebEnv } from "../context.ts";
import type { OpenBlob } from "../layer/blob.ts";
import { type Listing, listLayer } from "../layer/listing.ts";
import { Crumbs, placePath } from "../parts/navigation.tsx";
import { Bytes, Count } from "../parts/values.tsx";
import { render } from "../render.tsx";

/** A gzip stream can only be read from its beginning: this takes a second or two of CPU at most. */
const LIMITS = { compressed: 100_000_000, archive: 400_000_000, entries: 200_000, shown: 1000 };

export const layer = new Hono<WebEnv>();

// GET /layer/<name>/<digest>?q=<part of a path>
layer.get("/layer/:name{.+}/:digest", async (c) => {
  const name = authorize(c, "pull");
  const digest = parseDigest(c.req.param("digest"));
  const part = (c.req.query("q") ?? "").trim().toLowerCase().slice(0, 255);
  const stores = storesOf(c.env, name);
  const open: OpenBlob = async (select) => {
    const blob = await getBlob(stores, { edge: null, redirectFrom: null }, name, digest, select);
    if (blob === null || blob.kind !== "content") throw notThere();
    return blob;
  };
  const props = { name, digest, part, listing: await listLayer(open, part, LIMITS) };
  return render(c, c.get("texts").layerContents, (view) => <Layer view={view} {...props} />);
});

interface Props {
  view: View;
  name: string;
  digest: string;
  part: string;
  listing: Listing;
}

function Layer({ view, name, digest, part, listing }: Props) {
  const { texts } = view;
  const { size, entries, found, looked, end, byTable } = listing;
  return (
    <>
      <Crumbs view={view} name={name} />
      <h1>{texts.layerContents}</h1>
      <p class="digest">{digest}</p>
      <p>
        <Bytes view={view} bytes={size} />, {texts.looked}{" "}
        <Count view={view} count={looked} atLeast={end === "limit"} />
      </p>
      {byTable ? <p class="note">{texts.layerByTable}</p> : null}
      {end === "limit" ? <p class="note">{texts.layerCut}</p> : null}
      {end === "broken" ? <p class="note">{texts.layerBroken}</p> : null}
      <search>
        <form method="get" action={placePath("layer", name, digest)} class="row">
          <div>
            <label for="q">{texts.filterPaths}</label>
            <input id="q" name="q" type="search" value={part} autocomplete="off" autocapitalize="none" />
          </div>
          <button type="submit" class="quiet">
            {texts.filter}
          </button>
        </form>
      </search>
      {found > entries.length ? <p class="note">{texts.layerFirst(entries.length, found)}</p> : null}
      {entries.length === 0 ? <p>{texts.noFiles}</p> : <Files view={view} entries={entries} />}
    </>
  );
}

function Files({ view, entries }: { view: View; entries: Listing["entries"] }) {
  const { texts } = view;
  return (
    <table class="stack">
      <caption class="visually-hidden">{texts.layerContents}</caption>
      <thead>
        <tr>
          <th scope="col">{texts.path}</th>
          <th scope="col">{texts.mode}</th>
          <th scope="col" class="number">
            {texts.size}
          </th>
        </tr>
      </thead>
      <tbody>
        {entries.map(({ path, kind, size, mode, target }) => (
          <tr>
            <th scope="row" class="path">
              {isWhiteout(path) ? <span class="mark bad">{texts.removes}</span> : null}
              {kind === "directory" ? `${path}/` : path}
              {target === null ? null : <span class="muted">{` → ${target}`}</span>}
            </th>
            <td data-label={texts.mode}>
              <code>{(mode & 0o7777).toString(8).padStart(4, "0")}</code>
            </td>
            <td class="number" data-label={texts.size}>
              {kind === "file" ? <Bytes view={view} bytes={size} /> : null}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** How a layer says that a file of those below it is gone. */
function isWhiteout(path: string): boolean {
  return /(?:^|\/)\.wh\.[^/]+$/.test(path);
}
