/** Whether a registry stands at an address, judged by its answer to `GET /v2/` (end-1). */

import type { Answer } from "./exchange.ts";

export function isFromRegistry({ status, headers, body }: Answer): boolean {
  if (status === 401) return headers["www-authenticate"] !== undefined;
  if (headers["docker-distribution-api-version"] !== undefined) return true;
  // The specification asks only for the status; registries answer it with {} or nothing.
  return status === 200 && ["", "{}"].includes(body.toString().trim());
}
