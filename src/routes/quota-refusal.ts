/** What is said, and done, when a quota leaves no room. */

import { RegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/reference.ts";
import { type OverQuota, releaseUnreferenced } from "../storage/quota-room.ts";
import { storesOf } from "../storage/stores.ts";
import type { Context } from "./context.ts";

/** Lets go of what the same push has brought before. @returns what it is to be answered */
export async function overQuota(
  c: Context,
  name: RepositoryName,
  { quota: { quota, used, allowed } }: OverQuota,
): Promise<RegistryError> {
  await releaseUnreferenced(storesOf(c.env, name).db, name, c.get("settings").gracePeriod, Date.now());
  return new RegistryError(
    "DENIED",
    `the quota ${quota} has no room for this, as ${used} of ${allowed} bytes are used: delete images, or have an administrator allow more`,
    { detail: { quota, used, allowed } },
  );
}
