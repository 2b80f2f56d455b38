/** All repositories that the caller may pull from, as folders of their path, or by a part of their name. */

import { Hono } from "hono";
import type { RepositoryName } from "../../oci/reference.ts";
import { summarizeAll } from "../../storage/across/summaries.ts";
import type { Ranking } from "../../storage/browse/ranking.ts";
import type { Summary } from "../../storage/browse/summaries.ts";
import type { View, WebEnv } from "../context.ts";
import { findRanked, findRepositories } from "../looking-through.ts";
import { Choice } from "../parts/forms.tsx";
import { Crumbs, folderPath, Pages, repositoryPath } from "../parts/navigation.tsx";
import { Age, Bar, Bytes, Count, Pulled } from "../parts/values.tsx";
import { render } from "../render.tsx";

/** Repositories and folders of a page. */
const PAGE = 25;

const ORDERS = ["name", "push", "size", "pull"] as const satisfies (Ranking | "name")[];
type Order = (typeof ORDERS)[number];

export const repositories = new Hono<WebEnv>();

// GET /?path=<folder>/&q=<part of a name>&sort=<order>&after=<cursor>
repositories.get("/", async (c) => {
  const asked = c.req.query("path") ?? "";
  const folder = /^(?:[a-z0-9._-]+\/){1,50}$/.test(asked) && asked.length <= 255 ? asked : "";
  const part = (c.req.query("q") ?? "").trim().toLowerCase().slice(0, 255);
  const wanted = { folder, part, after: c.req.query("after") ?? null, limit: PAGE };
  const order = ORDERS.find((one) => one === c.req.query("sort")) ?? "name";
  const { entries, next } =
    order === "name"
      ? await findRepositories(c.env, c.get("access"), wanted)
      : await findRanked(c.env, c.get("access"), wanted, order);
  const names = entries.filter((entry) => !entry.endsWith("/")) as RepositoryName[];
  const summaries = new Map(
    (await summarizeAll(c.env, names)).map((summary) => [summary.name as string, summary]),
  );
  const list = { entries, summaries, next, folder, part, order };
  return render(c, c.get("texts").places.repositories, (view) => <Repositories view={view} {...list} />);
});

interface Props {
  view: View;
  entries: string[];
  /** By name. One that has gone meanwhile is not there. */
  summaries: Map<string, Summary>;
  next: string | null;
  folder: string;
  part: string;
  order: Order;
}

function Repositories(props: Props) {
  const { view, folder, part, order } = props;
  const { texts } = view;
  return (
    <>
      {folder === "" ? null : <Crumbs view={view} name={folder} />}
      <h1>{folder === "" ? texts.places.repositories : folder}</h1>
      <search>
        <form method="get" action="/" class="row" data-live>
          {folder === "" ? null : <input type="hidden" name="path" value={folder} />}
          <div>
            <label for="q">{texts.filterByName}</label>
            <input id="q" name="q" type="search" value={part} autocomplete="off" autocapitalize="none" />
          </div>
          <Choice
            name="sort"
            label={texts.order}
            options={ORDERS.map((one) => [one, texts.repositoryOrders[one]])}
            chosen={order}
          />
          <button type="submit" class="quiet">
            {texts.show}
          </button>
        </form>
      </search>
      <List {...props} />
    </>
  );
}

function List({ view, entries, summaries, next, folder, part, order }: Props) {
  const { texts } = view;
  const query = {
    ...(folder !== "" && { path: folder }),
    ...(part !== "" && { q: part }),
    ...(order !== "name" && { sort: order }),
  };
  const first = `/?${new URLSearchParams(query)}`;
  const onward = next === null ? null : `/?${new URLSearchParams({ ...query, after: next })}`;
  const largest = Math.max(...[...summaries.values()].map(({ bytes }) => bytes.all), 0);
  return (
    <div id="list" data-said={texts.found(entries.length)}>
      {entries.length === 0 ? (
        <p>
          {next === null
            ? part === ""
              ? texts.noRepositories(view.who !== null)
              : texts.nothingFound
            : texts.noneYet}
        </p>
      ) : (
        <table class="stack">
          <caption class="visually-hidden">{texts.places.repositories}</caption>
          <thead>
            <tr>
              <th scope="col">{texts.name}</th>
              <th scope="col" class="number">
                {texts.tags}
              </th>
              <th scope="col" class="number">
                {texts.size}
              </th>
              <th scope="col">{texts.ofWhichShared}</th>
              <th scope="col">{texts.lastPush}</th>
              <th scope="col">{texts.lastPull}</th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) =>
              entry.endsWith("/") ? (
                <Folder view={view} path={entry} within={folder} />
              ) : (
                <Row
                  view={view}
                  name={entry}
                  within={part === "" && order === "name" ? folder : ""}
                  summary={summaries.get(entry)}
                  largest={largest}
                />
              ),
            )}
          </tbody>
        </table>
      )}
      <Pages view={view} first={view.path.includes("after=") ? first : null} next={onward} />
    </div>
  );
}

function Folder({ view, path, within }: { view: View; path: string; within: string }) {
  return (
    <tr>
      <th scope="row">
        <a href={folderPath(path)}>{path.slice(within.length)}</a>
      </th>
      <td colspan={5} class="muted">
        {view.texts.folder}
      </td>
    </tr>
  );
}

interface RowProps {
  view: View;
  name: string;
  within: string;
  summary: Summary | undefined;
  /** Bytes of the largest repository on the page. */
  largest: number;
}

function Row({ view, name, within, summary, largest }: RowProps) {
  const { texts } = view;
  if (summary === undefined) return null;
  const { tags, bytes, pushed, pulledAt } = summary;
  return (
    <tr>
      <th scope="row">
        <a href={repositoryPath(name)}>{name.slice(within.length)}</a>
      </th>
      <td class="number" data-label={texts.tags}>
        <Count view={view} count={tags.count} atLeast={tags.more} />
      </td>
      <td class="number" data-label={texts.size}>
        <Bytes view={view} bytes={bytes.all} />
        <Bar part={bytes.all} own={bytes.own} whole={largest} />
      </td>
      <td data-label={texts.ofWhichShared}>
        <Bytes view={view} bytes={bytes.shared} atLeast={bytes.more} />
      </td>
      <td data-label={texts.lastPush}>
        <Age view={view} at={pushed?.at ?? null} />
        {pushed?.by == null ? null : <span class="muted">{` ${texts.by(pushed.by)}`}</span>}
      </td>
      <td data-label={texts.lastPull}>
        <Pulled view={view} at={pulledAt} />
      </td>
    </tr>
  );
}
