/**
 * Whose bucket this is. The database has an identity, and the bucket keeps the same in an object: a collection with
 * another database, or an empty one, would take every object for an orphan.
 */

import { IDENTITY_KEY } from "../objects/keys.ts";
import { getRegistry } from "../registry.ts";
import type { Stores } from "../stores.ts";

/** The bucket belongs to another database. */
export class WrongBucket extends Error {
  constructor(bucket: string, database: string) {
    super(
      `the bucket belongs to the registry ${bucket}, and the database to ${database}: nothing was taken. If this ` +
        "database is the right one for this bucket, run npm run gc -- --adopt",
    );
    this.name = "WrongBucket";
  }
}

/**
 * Makes sure that bucket and database belong together. A bucket that says nothing yet becomes the database's.
 * @param adopt makes the bucket this database's, whatever it says
 * @param dry only looks
 * @throws WrongBucket
 */
export async function checkIdentity(
  { db, objects }: Stores,
  { adopt, dry }: { adopt: boolean; dry: boolean },
): Promise<void> {
  const { identity } = await getRegistry(db);
  const body = await objects.get(IDENTITY_KEY, null);
  const found =
    body === null ? null : new TextDecoder().decode(await new Response(body).arrayBuffer()).trim();
  if (found === identity) return;
  if (found !== null && !adopt) throw new WrongBucket(found, identity);
  if (!dry) await objects.put(IDENTITY_KEY, identity);
}
