/**
 * The 401 with its challenge. Exactly one scheme is offered: docker takes the first that it reads, then the last,
 * and fails between the two.
 */

import type { Settings } from "../config.ts";
import { RegistryError } from "../oci/errors.ts";
import { SERVICE } from "./tokens.ts";

export const TOKEN_PATH = "/v2/token";

export interface Refused {
  settings: Settings;
  /** Of the request that is refused. */
  url: string;
  /** What a token would have to carry, like "repository:a:pull"; null when any will do. */
  scope: string | null;
  /** RFC 6750's error code; null when nothing was presented. */
  error: "invalid_token" | "insufficient_scope" | null;
}

export function unauthorized(message: string, refused: Refused): RegistryError {
  return new RegistryError("UNAUTHORIZED", message, { headers: { "WWW-Authenticate": challenge(refused) } });
}

/** Basic, unless there are public repositories: docker cannot pull anonymously under it. */
export function usesTokens(settings: Settings): boolean {
  return settings.publicRepositories.length > 0;
}

function challenge({ settings, url, scope, error }: Refused): string {
  const { origin, pathname } = new URL(url);
  // The token endpoint itself takes passwords.
  if (!usesTokens(settings) || pathname === TOKEN_PATH) return 'Basic realm="Berth", charset="UTF-8"';
  const parameters = { realm: origin + TOKEN_PATH, service: SERVICE, scope, error };
  return `Bearer ${Object.entries(parameters)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}="${value}"`)
    .join(",")}`;
}
