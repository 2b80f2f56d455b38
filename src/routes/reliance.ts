/** Whether an answer to HEAD is one that a push relies on. */

import type { RepositoryName } from "../oci/reference.ts";
import type { Reliance } from "../storage/blobs.ts";
import type { Context } from "./context.ts";

/** Only of a caller who may push: who only pulls must not keep deleted content alive, nor cause writes. */
export function relianceOf(c: Context, name: RepositoryName): Reliance {
  const pushes = c.get("access").may("push", name);
  return { now: Date.now(), gracePeriod: pushes ? c.get("settings").gracePeriod : null };
}
