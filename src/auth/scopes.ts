/**
 * Scopes, as Docker's token specification writes them: `repository:<name>:<action>,<action>`, and
 * `registry:catalog:*` for the catalog, of which everybody sees what they may pull.
 */

import { RegistryError } from "../oci/errors.ts";
import { parseRepositoryName } from "../oci/reference.ts";
import { ACTIONS, type Action } from "./user-entry.ts";

export const CATALOG_SCOPE = "registry:catalog:*";

/** What one token takes at most: it travels in a header. */
const MAX_SCOPES = 100;

export interface RepositoryScope {
  name: string;
  actions: readonly Action[];
}

/** What a token is asked for, or carries. */
export interface Scopes {
  repositories: RepositoryScope[];
  catalog: boolean;
}

/** One scope as a challenge names it. */
export function formatScope({ name, actions }: RepositoryScope): string {
  return `repository:${name}:${actions.join(",")}`;
}

export function formatScopes({ repositories, catalog }: Scopes): string {
  return [...repositories.map(formatScope), ...(catalog ? [CATALOG_SCOPE] : [])].join(" ");
}

/**
 * @param parameters of a query or a form; one may hold several scopes
 * @returns without those of other types: what they mean is not known
 * @throws RegistryError NAME_INVALID for a malformed name, UNSUPPORTED 400 for too many
 */
export function parseScopes(parameters: string[]): Scopes {
  const wanted = parameters.flatMap((parameter) => parameter.split(" ")).filter((scope) => scope !== "");
  if (wanted.length > MAX_SCOPES) {
    throw new RegistryError("UNSUPPORTED", `one token takes at most ${MAX_SCOPES} scopes`, { status: 400 });
  }
  return {
    repositories: wanted.map(parseRepositoryScope).filter((scope) => scope !== null),
    catalog: wanted.includes(CATALOG_SCOPE),
  };
}

function parseRepositoryScope(text: string): RepositoryScope | null {
  const match = /^repository(?:\([a-z]+\))?:(.*):([a-z*,]*)$/.exec(text);
  if (match === null) return null;
  const [, name = "", list = ""] = match;
  const asked = list.split(",");
  const actions = asked.includes("*") ? ACTIONS : ACTIONS.filter((action) => asked.includes(action));
  return { name: parseRepositoryName(name), actions };
}
