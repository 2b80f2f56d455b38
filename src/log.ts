/** The log: one line of JSON an event. Nothing secret goes in. */

/**
 * Writes one line.
 * @param event what happened, in a few words joined by dashes
 * @param fields what it happened to; an Error is written with its stack and its cause
 * @param level "error" for what somebody must look into, "warn" for what heals by itself
 */
export function log(
  event: string,
  fields: Record<string, unknown> = {},
  level: "info" | "warn" | "error" = "info",
): void {
  const line = JSON.stringify({ event, ...fields }, (_, value) =>
    value instanceof Error ? describe(value) : value,
  );
  console[level](line);
}

function describe(error: Error): string {
  return error.cause === undefined ? String(error.stack) : `${error.stack}\ncaused by ${error.cause}`;
}
