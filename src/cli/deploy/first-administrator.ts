/** The first user of a registry that has just been deployed: without one, nobody could log in. */

import { randomBytes } from "node:crypto";
import process from "node:process";
import { format, hashPassword } from "../user-entries.ts";
import { noteUserEvents } from "../user-events.ts";
import { RemoteUserStore } from "../user-store.ts";

const NAME = "admin";

/** What there is to say of it. */
export type Administrator =
  | { kind: "there" }
  /** `password`: null where whoever deploys knows it already. */
  | { kind: "made"; user: string; password: string | null }
  /** Nobody can log in, and whoever reads this output is not to be told a password. */
  | { kind: "missing" };

/** @throws Failure */
export async function ensureAdministrator(): Promise<Administrator> {
  const store = new RemoteUserStore();
  // The list may be a minute behind, as after a deploy that was repeated: the key itself is asked for as well.
  if ((await store.list()).length > 0 || (await store.get(NAME)) !== null) return { kind: "there" };
  const given = process.env.BERTH_ADMIN_PASSWORD || null;
  if (given === null && !isSeenByOneAlone()) return { kind: "missing" };
  const password = given ?? randomBytes(12).toString("base64url");
  const entry = format(await hashPassword(password), null);
  await noteUserEvents(true, [{ action: "add-user", reference: NAME, detail: null }]);
  await store.put(new Map([[NAME, entry]]));
  return { kind: "made", user: NAME, password: given === null ? password : null };
}

/** Whether what is printed goes to a terminal, and into no log of a build. */
function isSeenByOneAlone(): boolean {
  return process.stdout.isTTY === true && !process.env.CI;
}
