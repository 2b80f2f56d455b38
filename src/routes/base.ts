/** The API's root, the catalog, and the list of extensions. */

import { Hono } from "hono";
import type { RepositoryName } from "../oci/reference.ts";
import { listRepositories } from "../storage/repositories.ts";
import { openStores } from "../storage/stores.ts";
import { requireCatalog, requireCredentials } from "./authorize.ts";
import type { Context, RegistryEnv } from "./context.ts";
import { cutPage, type Page, parsePage } from "./pagination.ts";

/** How many names are read at once for a caller who may not pull all of them. */
const LOOKED_THROUGH = 1000;

export const base = new Hono<RegistryEnv>();

// end-1: GET /v2/
base.get("/v2/", greet);
base.get("/v2", greet);

/** Never 200 without credentials, or docker would not send any, and would take any password for right. */
function greet(c: Context): Response {
  requireCredentials(c);
  return c.json({});
}

// Docker's own: GET /v2/_catalog?n=<limit>&last=<repository>
base.get("/v2/_catalog", async (c) => {
  requireCatalog(c);
  const page = parsePage(c);
  return c.json({ repositories: cutPage(c, page, await listPullable(c, page)) });
});

/** Those that the caller may pull from, one more than the page has. */
async function listPullable(c: Context, { after, limit }: Page): Promise<RepositoryName[]> {
  const access = c.get("access");
  if (access.pullsEverything) return listRepositories(openStores(c.env).db, after, limit + 1);
  const names: RepositoryName[] = [];
  for (let last = after; ; ) {
    const read = await listRepositories(openStores(c.env).db, last, LOOKED_THROUGH);
    names.push(...read.filter((name) => access.holds("pull", name)));
    if (read.length < LOOKED_THROUGH || names.length > limit) return names.slice(0, limit + 1);
    last = read.at(-1) ?? null;
  }
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
        description: "Garbage collection on demand, for administrators",
        url: "https://github.com/opencontainers/distribution-spec/tree/main/extensions",
        endpoints: ["_berth/gc"],
      },
    ],
  });
});
