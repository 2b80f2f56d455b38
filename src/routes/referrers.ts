/** Referrers of a manifest. */

import { Hono } from "hono";
import { parseDigest } from "../oci/digest.ts";
import { MAX_MANIFEST_SIZE } from "../oci/manifest.ts";
import { OCI_INDEX } from "../oci/media-types.ts";
import { listReferrers } from "../storage/referrers.ts";
import { storesOf } from "../storage/stores.ts";
import { authorize } from "./authorize.ts";
import type { RegistryEnv } from "./context.ts";
import { linkNext } from "./pagination.ts";

const MAX_REFERRERS = 1000;

export const referrers = new Hono<RegistryEnv>();

// end-12: GET /v2/<name>/referrers/<digest>?artifactType=<type>
referrers.get("/v2/:name{.+}/referrers/:digest", async (c) => {
  const name = authorize(c, "pull");
  const subject = parseDigest(c.req.param("digest"));
  // No media type has a space: it is a "+" that the client did not encode.
  const artifactType = c.req.query("artifactType")?.replaceAll(" ", "+") || null;

  const { descriptors, more } = await listReferrers(storesOf(c.env, name), name, subject, {
    artifactType,
    after: c.req.query("last") ?? null,
    limit: MAX_REFERRERS,
    maxBytes: MAX_MANIFEST_SIZE - 1024,
  });

  if (artifactType !== null) c.header("OCI-Filters-Applied", "artifactType");
  const last = descriptors.at(-1)?.digest;
  if (more && last !== undefined) linkNext(c, { ...(artifactType === null ? {} : { artifactType }), last });
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: descriptors };
  return c.body(JSON.stringify(index), 200, { "Content-Type": OCI_INDEX });
});
