/** Who holds what: each repository's share, as areas and as a table, and all of it over time. Admins only. */

import { Hono } from "hono";
import { listAllUsageDays } from "../../storage/across/status.ts";
import { nextStop, parseStop } from "../../storage/across/walk.ts";
import { mainStores } from "../../storage/stores.ts";
import { listUsage, parseUsageCursor, type Usage } from "../../storage/usage.ts";
import type { UsageDay } from "../../storage/usage-days.ts";
import { requireAdmin } from "../access.ts";
import type { View, WebEnv } from "../context.ts";
import { formatBytes } from "../language.ts";
import { Growth } from "../parts/growth.tsx";
import { Pages, repositoryPath } from "../parts/navigation.tsx";
import { Bar, Bytes, Count } from "../parts/values.tsx";
import { render } from "../render.tsx";
import { treemap } from "../treemap.ts";

/** Blobs, and manifests, that are read for a page. */
const PAGE = 10_000;

/** The largest of the page: so many areas of the map, and so many rows of the table. */
const MAX_AREAS = 60;
const MAX_ROWS = 200;

/** Of the line of what was held. */
const MAX_DAYS = 366;

const MAP = { x: 0, y: 0, width: 1000, height: 420 };

export const usage = new Hono<WebEnv>();

// GET /usage?last=<cursor>
usage.get("/usage", async (c) => {
  requireAdmin(c);
  const last = c.req.query("last") ?? null;
  // What is no cursor begins anew.
  const begin = { stores: mainStores(c.env), cursor: null };
  const { stores, cursor } = parseStop(c.env, last, parseUsageCursor) ?? begin;
  const page = await listUsage(stores.db, cursor, PAGE);
  const next = nextStop(c.env, stores, page.next && JSON.stringify(page.next));
  const { repositories } = page;
  const days = last === null ? await listAllUsageDays(c.env, MAX_DAYS) : [];
  const held = repositories.filter(({ bytes }) => bytes > 0).sort((one, other) => other.bytes - one.bytes);
  return render(c, c.get("texts").places.usage, (view) => (
    <Page view={view} held={held} days={days} next={next} />
  ));
});

interface Props {
  view: View;
  /** The largest first. */
  held: Usage[];
  /** The oldest first; none on the pages that follow. */
  days: UsageDay[];
  next: string | null;
}

function Page({ view, held, days, next }: Props) {
  const { texts } = view;
  return (
    <>
      <h1>{texts.places.usage}</h1>
      <p>{texts.usageMeans}</p>
      {next === null && held.length <= MAX_ROWS ? null : <p class="note">{texts.usageIsPart}</p>}
      {held.length === 0 ? <p>{texts.nothingHeld}</p> : <Held view={view} held={held} />}
      <Growth view={view} days={days} />
      <Pages
        view={view}
        first={view.path.includes("last=") ? "/usage" : null}
        next={next === null ? null : `/usage?${new URLSearchParams({ last: next })}`}
      />
    </>
  );
}

function Held({ view, held }: Pick<Props, "view" | "held">) {
  const { texts } = view;
  const largest = held[0]?.bytes ?? 0;
  return (
    <>
      <Areas view={view} held={held.slice(0, MAX_AREAS)} />
      <table class="stack">
        <caption class="visually-hidden">{texts.places.usage}</caption>
        <thead>
          <tr>
            <th scope="col">{texts.name}</th>
            <th scope="col">{texts.owner}</th>
            <th scope="col" class="number">
              {texts.size}
            </th>
            <th scope="col" class="number">
              {texts.blobs}
            </th>
            <th scope="col" class="number">
              {texts.manifests}
            </th>
          </tr>
        </thead>
        <tbody>
          {held.slice(0, MAX_ROWS).map(({ repository, owner, bytes, blobs, manifests }) => (
            <tr>
              <th scope="row">
                <a href={repositoryPath(repository)}>{repository}</a>
              </th>
              <td data-label={texts.owner}>{owner ?? <span class="muted">{texts.unknown}</span>}</td>
              <td class="number" data-label={texts.size}>
                <Bytes view={view} bytes={bytes} />
                <Bar part={bytes} whole={largest} />
              </td>
              <td class="number" data-label={texts.blobs}>
                <Count view={view} count={blobs} />
              </td>
              <td class="number" data-label={texts.manifests}>
                <Count view={view} count={manifests} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** The table beside it says the same to whoever does not see it. */
function Areas({ view, held }: Pick<Props, "view" | "held">) {
  const areas = treemap(
    held.map(({ bytes }) => bytes),
    MAP,
  );
  return (
    <svg class="map" viewBox={`0 0 ${MAP.width} ${MAP.height}`} aria-hidden="true">
      <title>{view.texts.places.usage}</title>
      {areas.map(({ x, y, width, height }, index) => {
        const { repository, bytes } = held[index] ?? { repository: "", bytes: 0 };
        const fits = width > 9 * repository.length && height > 40;
        return (
          <g>
            <title>{`${repository} ${formatBytes(bytes, view.language)}`}</title>
            <rect x={x} y={y} width={width} height={height} />
            {fits ? (
              <text x={x + 8} y={y + 20}>
                {repository}
              </text>
            ) : null}
          </g>
        );
      })}
    </svg>
  );
}
