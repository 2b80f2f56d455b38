/** The API's root, the catalog, and the list of extensions. */

import { Hono } from "hono";
import { RegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { findPosition, hidePosition, listAcross, type Position } from "../storage/across/names.ts";
import { listRepositories } from "../storage/repositories.ts";
import { requireCatalog, requireCredentials } from "./authorize.ts";
import type { Context, RegistryEnv } from "./context.ts";
import { cutPage, linkNext, type Page, parsePage } from "./pagination.ts";

/** How many names are read at once for a caller who may not pull all of them. */
const READ_AT_ONCE = 1000;

/** How many are looked through for one page. Then it is shorter, or empty, and the next one goes on from there. */
const LOOKED_THROUGH = 5000;

/** Berth's own endpoints, below _berth. */
const OWN = [
  "gc",
  "scrub",
  "migrate-store",
  "move-repositories",
  "tokens",
  "audit",
  "policies",
  "quotas",
  "usage",
  "status",
];

export const base = new Hono<RegistryEnv>();

// end-1: GET /v2/
base.get("/v2/", greet);
base.get("/v2", greet);

/** Never 200 without credentials, or docker would not send any, and would take any password for right. */
function greet(c: Context): Response {
  requireCredentials(c);
  return c.json({});
}

// Docker's own: GET /v2/_catalog?n=<limit>&last=<repository>, and beyond=<position> in links
base.get("/v2/_catalog", async (c) => {
  requireCatalog(c);
  const page = parsePage(c);
  const { names, end } = await lookThrough(c, page, await beginning(c, page));
  const repositories = cutPage(c, page, names);
  if (end !== null) await linkBeyond(c, page, repositories.at(-1) ?? page.after, end);
  return c.json({ repositories });
});

/**
 * Names that the caller may pull from, one more than the page has, unless so many others are between.
 * @returns `end`: where it stopped before the page was full; null when it is, or there are no others
 */
async function lookThrough(
  c: Context,
  { limit }: Page,
  begin: string | null,
): Promise<{ names: RepositoryName[]; end: Position | null }> {
  const access = c.get("access");
  let atOnce = access.pullsEverything ? limit + 1 : READ_AT_ONCE;
  const names: RepositoryName[] = [];
  let last = begin;
  let end: Position | null = null;
  for (let looked = 0; looked < LOOKED_THROUGH; looked += atOnce) {
    const read = await listAcross(c.env, (db, limit) => listRepositories(db, last, limit), atOnce);
    names.push(...read.names.filter((name) => access.holds("pull", name)));
    end = read.end;
    if (end === null || names.length > limit) return { names, end: null };
    last = end.name;
    // Much is between, so that a small page would take many reads.
    atOnce = READ_AT_ONCE;
  }
  return { names, end };
}

/** Where to go on. @throws RegistryError UNSUPPORTED 400 when `beyond` is no position */
async function beginning(c: Context, { after }: Page): Promise<string | null> {
  const beyond = c.req.query("beyond");
  if (beyond === undefined) return after;
  const name = await findPosition(c.env, beyond);
  if (name === undefined)
    throw new RegistryError("UNSUPPORTED", "beyond must be what a Link had", { status: 400 });
  // It has gone since: what lies between is looked through again.
  return name !== null && name > (after ?? "") ? name : after;
}

/** The name itself would tell a repository that the caller may not know of. */
async function linkBeyond(c: Context, { limit }: Page, last: string | null, end: Position): Promise<void> {
  const beyond = await hidePosition(c.env, end);
  linkNext(c, {
    n: String(limit),
    ...(last === null ? {} : { last }),
    ...(beyond === null ? {} : { beyond }),
  });
}

// The specification's extension mechanism: GET /v2/_oci/ext/discover
base.get("/v2/_oci/ext/discover", (c) => {
  requireCredentials(c);
  return c.json({
    extensions: [
      {
        name: "_oci",
        description: "Lists the extensions that this registry offers",
        url: "https://github.com/opencontainers/distribution-spec/tree/main/extensions",
        endpoints: ["_oci/ext/discover"],
      },
      {
        name: "_berth",
        description:
          "Garbage collection, scrub, audit trail, policies, quotas and status, for administrators; machine tokens, for users",
        url: "https://github.com/opencontainers/distribution-spec/tree/main/extensions",
        endpoints: OWN.map((end) => `_berth/${end}`),
      },
    ],
  });
});
