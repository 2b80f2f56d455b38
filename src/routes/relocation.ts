/** Berth's own extension: repositories move from one database to another. Admins only. */

import { Hono } from "hono";
import { nextStop, parseStop } from "../storage/across/walk.ts";
import { type Happening, writeHappening } from "../storage/audit.ts";
import { parsePosition, relocatePage } from "../storage/relocation/relocate.ts";
import { mainStores } from "../storage/stores.ts";
import { malformed } from "./admin-request.ts";
import { requireAdmin } from "./authorize.ts";
import { actorOf, type RegistryEnv } from "./context.ts";

export const relocation = new Hono<RegistryEnv>();

// POST /v2/_berth/move-repositories?after=<cursor>
relocation.post("/v2/_berth/move-repositories", async (c) => {
  requireAdmin(c);
  const after = c.req.query("after") ?? null;
  const stop = parseStop(c.env, after, parsePosition);
  if (stop === null)
    throw malformed("after must be what an earlier page named as next", {
      after: after?.slice(0, 200) ?? "",
    });
  // Once, before it changes anything.
  if (after === null) {
    const detail = { databases: c.env.DATABASES };
    const begun: Happening = { action: "move-repositories", outcome: "begun", reference: null, detail };
    await writeHappening(mainStores(c.env).db, actorOf(c), begun);
  }
  const page = await relocatePage(c.env, stop.stores, stop.cursor, actorOf(c));
  return c.json({ ...page, next: nextStop(c.env, stop.stores, page.next) });
});
