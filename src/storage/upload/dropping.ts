/** What an upload session has, and lets go of: to begin anew, or to be gone. */

import { log } from "../../log.ts";
import { doomUncommitted } from "../blob-push.ts";
import { closeUpload } from "../open-uploads.ts";
import type { Stores } from "../stores.ts";
import type { Upload } from "./state.ts";

/** When dropping a session is tried again after it failed. Milliseconds. */
const DISCARD_RETRY = 10 * 60 * 1000;

/** Begins again at byte 0. */
export async function restart(stores: Stores, upload: Upload): Promise<void> {
  await abortMultipart(stores, upload);
  upload.restart();
}

/** Drops the session: at once for every client, and its bytes by repeated alarms until the store has let go of them. */
export async function discard(stores: Stores, storage: DurableObjectStorage, upload: Upload): Promise<void> {
  upload.beginDiscarding();
  if (upload.state.phase !== "committed") {
    await storage.setAlarm(Date.now() + DISCARD_RETRY);
    try {
      await discardBytes(stores, upload);
    } catch (error) {
      log("upload-not-discarded", { error }, "warn");
      return;
    }
  }
  // Together: a state without an alarm would stay for ever.
  await Promise.all([storage.deleteAlarm(), storage.deleteAll()]);
}

/** Takes away what the session has put anywhere, unless that has become a blob. Can be repeated. */
async function discardBytes(stores: Stores, upload: Upload): Promise<void> {
  const { phase, objectKey, offset, reopenedFrom, counted } = upload.state;
  if (counted !== null) await stores.db.batch([closeUpload(stores.db, counted)]);
  if (reopenedFrom !== null) await stores.objects.delete([reopenedFrom]);
  if (objectKey === null) return;
  // The commit's outcome is not known: the database decides whether the object is a blob.
  if (phase === "committing") return doomUncommitted(stores.db, objectKey, offset, Date.now());
  await abortMultipart(stores, upload);
  await stores.objects.delete([objectKey]);
}

/** Drops the multipart upload under way, if there is one. Throws nothing: what the store keeps of it costs space alone. */
export async function abortMultipart({ objects }: Stores, upload: Upload): Promise<void> {
  const { multipart } = upload;
  if (multipart === null) return;
  try {
    await objects.abortMultipart(multipart);
  } catch (error) {
    // It costs space until R2 drops it after 7 days.
    log("multipart-not-aborted", { key: multipart.key, error }, "warn");
  }
}
