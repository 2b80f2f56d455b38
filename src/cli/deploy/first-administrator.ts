/** The first user of a registry that has just been deployed: without one, nobody could log in. */

import { randomBytes } from "node:crypto";
import { format, hashPassword } from "../user-entries.ts";
import { noteUserEvents } from "../user-events.ts";
import { RemoteUserStore } from "../user-store.ts";
import type { FirstUser } from "../wrangler.ts";

const NAME = "admin";

/** @returns null when there are users already. @throws Failure */
export async function ensureAdministrator(): Promise<FirstUser | null> {
  const store = new RemoteUserStore();
  // The list may be a minute behind, as after a deploy that was repeated: the key itself is asked for as well.
  if ((await store.list()).length > 0 || (await store.get(NAME)) !== null) return null;
  const password = randomBytes(12).toString("base64url");
  const entry = format(await hashPassword(password), null);
  await noteUserEvents(true, [{ action: "add-user", reference: NAME, detail: null }]);
  await store.put(new Map([[NAME, entry]]));
  return { user: NAME, password };
}
