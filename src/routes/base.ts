/** The API's root, the catalog, and the list of extensions. */

import { Hono } from "hono";
import { listRepositories } from "../storage/repositories.ts";
import type { RegistryEnv } from "./context.ts";
import { cutPage, parsePage } from "./pagination.ts";

export const base = new Hono<RegistryEnv>();

// end-1: GET /v2/
base.get("/v2/", (c) => c.json({}));
base.get("/v2", (c) => c.json({}));

// Docker's own: GET /v2/_catalog?n=<limit>&last=<repository>
base.get("/v2/_catalog", async (c) => {
  const page = parsePage(c);
  const names = await listRepositories(c.env.DB, page.after, page.limit + 1);
  return c.json({ repositories: cutPage(c, page, names) });
});

// The specification's extension mechanism: GET /v2/_oci/ext/discover
base.get("/v2/_oci/ext/discover", (c) =>
  c.json({
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
  }),
);
