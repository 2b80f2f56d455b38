/** What a session says when a store fails it: errors do not cross to the Worker whole. */

import { log } from "../../log.ts";
import { DatabaseFull } from "../database.ts";
import { Unavailable } from "../retry.ts";
import type { NoRoom, NotAvailable } from "./protocol.ts";

/** @throws `error`, when it is no store's */
export function unaskedFor(error: unknown): NotAvailable | NoRoom {
  if (error instanceof DatabaseFull) {
    log("database-full", { error }, "error");
    return { kind: "database-full" };
  }
  if (!(error instanceof Unavailable)) throw error;
  log("upload-not-available", { error }, "warn");
  return { kind: "unavailable", refusal: error.refusal };
}
