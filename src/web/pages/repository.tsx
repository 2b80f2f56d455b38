/** One repository: its tags in any order, and what each of them is. */

import { Hono } from "hono";
import type { RepositoryName } from "../../oci/reference.ts";
import { type Summary, summarize } from "../../storage/browse/summaries.ts";
import {
  type DescribedTag,
  describeTags,
  findTags,
  listPulls,
  listTagKeys,
  type TagKey,
  weighTags,
} from "../../storage/browse/tags.ts";
import type { Database } from "../../storage/database.ts";
import { storesOf } from "../../storage/stores.ts";
import { authorize, mayDelete, notThere } from "../access.ts";
import type { Context, View, WebEnv } from "../context.ts";
import { cosignTags, type Mark, marksOf } from "../marks.ts";
import { readManifest } from "../oci-json.ts";
import { Choice } from "../parts/forms.tsx";
import { Crumbs, Pages, placePath, repositoryPath } from "../parts/navigation.tsx";
import { PullCommands } from "../parts/pull.tsx";
import { Readme } from "../parts/readme.tsx";
import { TagTable } from "../parts/tag-table.tsx";
import { Bytes, Pulled } from "../parts/values.tsx";
import { render } from "../render.tsx";
import { ORDERS, type Order, parseOrder, sortTags } from "../tag-order.ts";

/** Tags of a page. */
const PAGE = 25;

/** How many tags are put in order, and how many of these are weighed. */
const MAX_TAGS = 5000;
const MAX_WEIGHED = 500;

/** How many blobs are added up. */
const MAX_BLOBS = 2000;

export const repository = new Hono<WebEnv>();

export interface ShownTag extends DescribedTag {
  /** Of an index, the platforms that it names. */
  platforms: string[];
  marks: Mark[];
  annotations: [string, string][];
}

interface Wanted {
  order: Order;
  /** A part of the tag; "" for all. */
  part: string;
  /** From 0. */
  page: number;
}

// GET /r/<name>?sort=<order>&q=<part of a tag>&page=<number>
repository.get("/r/:name{.+}", async (c) => {
  const name = authorize(c, "pull");
  const { db } = storesOf(c.env, name);
  const wanted = parseWanted(c);
  const [keys, [summary]] = await Promise.all([
    listTagKeys(db, name, MAX_TAGS + 1),
    summarize(db, [name], MAX_BLOBS),
  ]);
  if (keys === null || summary === undefined) throw notThere();
  const found = await order(db, name, keys.slice(0, MAX_TAGS), wanted);
  const tags = await show(db, name, found.slice(wanted.page * PAGE, (wanted.page + 1) * PAGE));
  const props = {
    ...{ name, summary, tags, wanted, deletable: mayDelete(c, name) },
    more: found.length > (wanted.page + 1) * PAGE,
    unread: keys.length > MAX_TAGS,
    unweighed: wanted.order === "size" && keys.length > MAX_WEIGHED,
  };
  return render(c, name, (view) => <Repository view={view} {...props} />);
});

function parseWanted(c: Context): Wanted {
  const page = c.req.query("page") ?? "0";
  return {
    order: parseOrder(c.req.query("sort")),
    part: (c.req.query("q") ?? "").trim().slice(0, 128),
    page: /^\d{1,4}$/.test(page) ? Number(page) : 0,
  };
}

/** Those that are wanted, in order. By size only the newest of many. */
async function order(db: Database, name: RepositoryName, keys: TagKey[], wanted: Wanted): Promise<TagKey[]> {
  const part = wanted.part.toLowerCase();
  const found = keys.filter((key) => key.name.toLowerCase().includes(part));
  if (wanted.order === "pull") return sortTags(found, "pull", await listPulls(db, name, MAX_TAGS));
  if (wanted.order !== "size") return sortTags(found, wanted.order, new Map());
  const newest = sortTags(found, "time", new Map()).slice(0, MAX_WEIGHED);
  return sortTags(
    newest,
    "size",
    await weighTags(
      db,
      name,
      newest.map((key) => key.name),
    ),
  );
}

/** What has gone meanwhile is left out. */
async function show(db: Database, name: RepositoryName, keys: TagKey[]): Promise<ShownTag[]> {
  const described = await describeTags(
    db,
    name,
    keys.map((key) => key.name),
  );
  const signatures = described.flatMap(({ digest }) => cosignTags(digest).map(([, tag]) => tag));
  const existing = await findTags(db, name, signatures);
  const shown = new Map(
    described.map((tag) => {
      const manifest = tag.content === null ? null : readManifest(tag.content);
      const platforms = (manifest?.manifests ?? [])
        .map(({ platform }) => platform)
        .filter((each) => each !== null);
      const marks = marksOf(tag.digest, tag.referrers, existing, manifest);
      const annotations = manifest?.annotations ?? [];
      return [tag.name, { ...tag, platforms: [...new Set(platforms)], marks, annotations }];
    }),
  );
  return keys.flatMap((key) => shown.get(key.name) ?? []);
}

interface Props {
  view: View;
  name: RepositoryName;
  summary: Summary;
  tags: ShownTag[];
  wanted: Wanted;
  deletable: boolean;
  more: boolean;
  /** Whether there are more tags than are put in order. */
  unread: boolean;
  unweighed: boolean;
}

function Repository(props: Props) {
  const { view, name, summary, tags, wanted, deletable } = props;
  const { texts } = view;
  const [newest] = tags;
  return (
    <>
      <Crumbs view={view} name={name} />
      <h1>{name}</h1>
      <dl class="facts">
        <dt>{texts.size}</dt>
        <dd>
          <Bytes view={view} bytes={summary.bytes.all} />
        </dd>
        <dt>{texts.ofWhichShared}</dt>
        <dd>
          <Bytes view={view} bytes={summary.bytes.shared} atLeast={summary.bytes.more} />
        </dd>
        <dt>{texts.lastPull}</dt>
        <dd>
          <Pulled view={view} at={summary.pulledAt} />
        </dd>
      </dl>
      <h2 id="tags">{texts.tags}</h2>
      <Filter view={view} name={name} wanted={wanted} />
      {props.unread ? <p class="note">{texts.tagsUnread(MAX_TAGS)}</p> : null}
      {props.unweighed ? <p class="note">{texts.tagsUnweighed(MAX_WEIGHED)}</p> : null}
      <div id="list" data-said={texts.found(tags.length)}>
        {tags.length === 0 ? (
          <p>{wanted.part === "" ? texts.noTags : texts.noSuchTags}</p>
        ) : (
          <TagTable view={view} name={name} tags={tags} deletable={deletable} />
        )}
        <Pages
          view={view}
          first={wanted.page > 0 ? pagePath(name, wanted, 0) : null}
          next={props.more ? pagePath(name, wanted, wanted.page + 1) : null}
        />
      </div>
      {newest === undefined ? null : (
        <PullCommands view={view} name={name} tag={newest.name} digest={newest.digest} />
      )}
      {newest === undefined ? null : <Readme view={view} texts={newest.annotations} />}
      <p>
        <a href={placePath("untagged", name)}>{texts.untaggedImages}</a>
      </p>
      {deletable ? (
        <p>
          <a href={placePath("delete-repository", name)}>{texts.deleteRepository}</a>
        </p>
      ) : null}
    </>
  );
}

function pagePath(name: string, { order, part }: Wanted, page: number): string {
  const query = { sort: order, ...(part !== "" && { q: part }), ...(page > 0 && { page: String(page) }) };
  return `${repositoryPath(name)}?${new URLSearchParams(query)}`;
}

function Filter({ view, name, wanted }: Pick<Props, "view" | "name" | "wanted">) {
  const { texts } = view;
  return (
    <search>
      <form method="get" action={repositoryPath(name)} class="row" data-live>
        <div>
          <label for="q">{texts.filterTags}</label>
          <input id="q" name="q" type="search" value={wanted.part} autocomplete="off" autocapitalize="none" />
        </div>
        <Choice
          name="sort"
          label={texts.order}
          options={ORDERS.map((order) => [order, texts.orders[order]])}
          chosen={wanted.order}
        />
        <button type="submit" class="quiet">
          {texts.show}
        </button>
      </form>
    </search>
  );
}
