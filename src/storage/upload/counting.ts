/** How an upload session stays counted among the open ones. */

import { log } from "../../log.ts";
import { countAgain, needsCounting } from "../open-uploads.ts";
import type { Stores } from "../stores.ts";
import type { Upload } from "./state.ts";

/** A session that is used for longer than its row counts is counted anew. */
export async function stayCounted({ db }: Stores, upload: Upload): Promise<void> {
  const { counted, countedAt, usedAt, expiresAfter, phase } = upload.state;
  if (counted === null || phase === "committed" || !needsCounting(countedAt, usedAt, expiresAfter)) return;
  try {
    await countAgain(db, counted, usedAt);
    upload.count(usedAt);
  } catch (error) {
    // The next use does it.
    log("upload-not-counted", { error }, "warn");
  }
}
