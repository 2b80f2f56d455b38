/** Tags of a repository. */

import { Hono } from "hono";
import { RegistryError } from "../oci/errors.ts";
import { storesOf } from "../storage/stores.ts";
import { listTags } from "../storage/tags.ts";
import { authorize } from "./authorize.ts";
import type { RegistryEnv } from "./context.ts";
import { cutPage, parsePage } from "./pagination.ts";

export const tags = new Hono<RegistryEnv>();

// end-8: GET /v2/<name>/tags/list?n=<limit>&last=<tag>
tags.get("/v2/:name{.+}/tags/list", async (c) => {
  const name = authorize(c, "pull");
  const page = parsePage(c);
  const names = await listTags(storesOf(c.env, name).db, name, page.after, page.limit + 1);
  if (names === null)
    throw new RegistryError("NAME_UNKNOWN", "there is no such repository", { detail: { name } });
  return c.json({ name, tags: cutPage(c, page, names) });
});
