/** What every page of a repository asks first. */

import type { Action } from "../auth/user-entry.ts";
import type { Rights } from "../auth/user-rules.ts";
import { RegistryError } from "../oci/errors.ts";
import { parseRepositoryName, type RepositoryName } from "../oci/reference.ts";
import { refuseWhileMoving } from "../routes/read-only.ts";
import type { Context } from "./context.ts";

/**
 * The repository that the request names, once the caller may do `action` there.
 * @throws RegistryError NAME_INVALID, UNAUTHORIZED for a visitor, or DENIED; never saying whether it exists
 */
export function authorize(c: Context, action: Action): RepositoryName {
  const name = parseRepositoryName(c.req.param("name") ?? "");
  const access = c.get("access");
  if (access.may(action, name)) {
    if (action !== "pull") refuseWhileMoving(c.env, name);
    return name;
  }
  if (access.who === null) throw new RegistryError("UNAUTHORIZED", `sign in to ${action} here`);
  throw new RegistryError("DENIED", `${access.who} has no right to ${action} here`);
}

/** @throws RegistryError UNAUTHORIZED for a visitor, or DENIED */
export function requireAdmin(c: Context): void {
  const { who, admin } = c.get("access");
  if (admin) return;
  if (who === null) throw new RegistryError("UNAUTHORIZED", "sign in as an administrator");
  throw new RegistryError("DENIED", `${who} is no administrator`);
}

/** @throws RegistryError UNAUTHORIZED, or DENIED for a session of a token: it must not make others of itself */
export function requirePassword(c: Context): void {
  const { who, byPassword } = c.get("access");
  if (byPassword) return;
  if (who === null) throw new RegistryError("UNAUTHORIZED", "sign in with a password");
  throw new RegistryError("DENIED", `${who} came with a token: sign in with a user's password`);
}

/** @throws RegistryError DENIED when these are rights that the caller lacks */
export function requireRights(c: Context, { access }: Rights): void {
  if (c.get("access").covers(access)) return;
  throw new RegistryError(
    "DENIED",
    "you may give no more rights than you have, and set no password of who has more",
  );
}

/** @throws RegistryError DENIED 409 when it is the caller's own */
export function refuseOwn(c: Context, user: string): void {
  if (user !== c.get("access").user) return;
  const message =
    "your own rights are for another administrator to change, or for berth user: you could lock yourself out";
  throw new RegistryError("DENIED", message, { status: 409 });
}

/** @throws RegistryError UNSUPPORTED where a setting switches deletion off */
export function requireDeletion(c: Context): void {
  if (!c.get("settings").allowDelete) throw new RegistryError("UNSUPPORTED", "deletion is switched off here");
}

/** Whether the caller may delete here, and anybody may at all. */
export function mayDelete(c: Context, name: RepositoryName): boolean {
  return c.get("settings").allowDelete && c.get("access").may("delete", name);
}

/** A repository, or a part of one, that is not there. */
export function notThere(): RegistryError {
  return new RegistryError("NAME_UNKNOWN", "there is no such page, or nothing that you may see");
}
