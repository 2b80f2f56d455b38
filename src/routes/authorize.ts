/** What every handler asks first: may this caller do this here? */

import { unauthorized } from "../auth/challenge.ts";
import { CATALOG_SCOPE, formatScope } from "../auth/scopes.ts";
import type { Action } from "../auth/user-entry.ts";
import { RegistryError } from "../oci/errors.ts";
import { parseRepositoryName, type RepositoryName } from "../oci/reference.ts";
import type { Context } from "./context.ts";
import { refuseWhileMoving } from "./read-only.ts";

/** What a token has to carry for an action: docker pushes and pulls with one token. */
const NEEDED: Record<Action, Action[]> = { pull: ["pull"], push: ["pull", "push"], delete: ["delete"] };

/**
 * The repository that the request names, once the caller may do `action` there.
 * @throws RegistryError NAME_INVALID, UNAUTHORIZED with a challenge, or DENIED; never saying whether it exists
 */
export function authorize(c: Context, action: Action): RepositoryName {
  const name = parseRepositoryName(c.req.param("name") ?? "");
  const access = c.get("access");
  if (access.may(action, name)) {
    if (action !== "pull") refuseWhileMoving(c.env, name);
    return name;
  }
  if (access.who !== null && !access.holds(action, name)) {
    throw new RegistryError("DENIED", `${access.who} has no right to ${action} here`, {
      detail: { name, action },
    });
  }
  throw unauthorized(`log in to ${action} here`, {
    settings: c.get("settings"),
    url: c.req.url,
    scope: formatScope({ name, actions: NEEDED[action] }),
    error: access.identified ? "insufficient_scope" : null,
  });
}

/** For what is of no repository. @throws RegistryError UNAUTHORIZED for a caller without credentials */
export function requireCredentials(c: Context): void {
  if (c.get("access").identified) return;
  throw unauthorized("log in first", {
    settings: c.get("settings"),
    url: c.req.url,
    scope: null,
    error: null,
  });
}

/** @throws RegistryError UNAUTHORIZED for a caller without credentials, or with a token that is not for the catalog */
export function requireCatalog(c: Context): void {
  const access = c.get("access");
  if (access.mayList) return;
  throw unauthorized("log in to list repositories", {
    settings: c.get("settings"),
    url: c.req.url,
    scope: CATALOG_SCOPE,
    error: access.identified ? "insufficient_scope" : null,
  });
}

/** @throws RegistryError UNSUPPORTED where a setting switches deletion off */
export function requireDeletion(c: Context): void {
  if (c.get("settings").allowDelete) return;
  throw new RegistryError("UNSUPPORTED", "deletion is switched off here", {
    headers: { Allow: "GET, HEAD" },
  });
}

/** @throws RegistryError UNAUTHORIZED, or DENIED for a user who is no administrator */
export function requireAdmin(c: Context): void {
  const { who, admin } = c.get("access");
  if (admin) return;
  if (who !== null)
    throw new RegistryError("DENIED", `${who} is no administrator, or came with a token: send the password`);
  throw unauthorized("log in as an administrator", {
    settings: c.get("settings"),
    url: c.req.url,
    scope: null,
    error: null,
  });
}

/** @throws RegistryError UNAUTHORIZED, or DENIED for a caller with a token: it must not make others of itself */
export function requirePassword(c: Context): void {
  const { who, byPassword } = c.get("access");
  if (byPassword) return;
  if (who !== null) throw new RegistryError("DENIED", `${who} came with a token: send a user's password`);
  throw unauthorized("log in with a password", {
    settings: c.get("settings"),
    url: c.req.url,
    scope: null,
    error: null,
  });
}
