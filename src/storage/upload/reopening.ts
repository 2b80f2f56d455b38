/**
 * Takes a finished object's bytes back into its session. It was made of what a closing PUT of unknown length
 * brought, while the running hash was lost, and does not hash to the digest: the connection may have been cut, and
 * the client is to go on from there. A finished object takes no more bytes, so they become parts of another.
 */

import { dropObject } from "../blob-push.ts";
import { Unavailable } from "../retry.ts";
import type { Stores } from "../stores.ts";
import { BodyReader } from "./body-reader.ts";
import type { End } from "./intake.ts";
import type { Upload } from "./state.ts";

/** How often in a row the object may break off without a byte of progress. */
const MAX_BREAKS = 4;

/**
 * Can be interrupted: it goes on where it stood.
 * @param takeIn keeps the bytes of a body in the session
 * @returns false when the object, or the upload that takes its bytes, has been dropped by the store
 */
export async function takeBack(
  { objects }: Stores,
  upload: Upload,
  takeIn: (body: BodyReader) => Promise<End>,
): Promise<boolean> {
  const from = upload.state.reopenedFrom as string;
  const found = await objects.head(from);
  if (found === null) return false;
  for (let breaks = 0; upload.state.offset < found.size; ) {
    const { offset } = upload.state;
    const body = await objects.get(from, { offset, length: found.size - offset });
    if (body === null || (await takeIn(new BodyReader(body))) === "lost") return false;
    breaks = upload.state.offset > offset ? 0 : breaks + 1;
    if (breaks === MAX_BREAKS) throw new Unavailable("the object store", "an object broke off too often");
  }
  upload.reopen();
  await dropObject(objects, from);
  return true;
}
