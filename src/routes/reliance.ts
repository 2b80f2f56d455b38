/** Whether an answer to HEAD is one that a push relies on. */

import type { RepositoryName } from "../oci/reference.ts";
import type { Reliance } from "../storage/blobs.ts";
import { isMoving } from "../storage/placement.ts";
import type { Context } from "./context.ts";

/** Only of a caller who may push: who only pulls must not keep deleted content alive, nor cause writes. */
export function relianceOf(c: Context, name: RepositoryName): Reliance {
  // While it moves, nobody can push, and what is copied stays as it is.
  const pushes = !isMoving(c.env, name) && c.get("access").may("push", name);
  return { now: Date.now(), gracePeriod: pushes ? c.get("settings").gracePeriod : null };
}
