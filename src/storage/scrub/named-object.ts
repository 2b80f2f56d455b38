/** An object that a row names: is it there, and is it what the row says? */

import { algorithmOf, type Digest } from "../../oci/digest.ts";
import { noteMissing } from "../missing.ts";
import { hashObject } from "../objects/hash.ts";
import type { Objects } from "../objects/objects.ts";
import type { Stores } from "../stores.ts";
import type { Checked, Finding, Kind } from "./findings.ts";

export interface NamedObject {
  kind: Kind;
  digest: Digest;
  key: string;
  /** As the row says. Bytes. */
  size: number;
  /** Whether the row is marked as missing. */
  missing: boolean;
  /** Where the row is, for people; empty where the digest says it all. */
  where: string;
}

/**
 * What can be done with the row. Both are guarded by the object's key, and answer whether the row still names it: a
 * push or a collection may have changed it since, and then nothing is the matter with it.
 */
export interface NamingRow {
  /** The object is right: its size is this, and it is not missing. */
  correct(size: number): Promise<boolean>;
  /** The object is wrong: nobody is served it any more, and nobody deletes it. */
  quarantine(): Promise<boolean>;
}

/** What is done with each object that a row names. Can be repeated. @throws Unavailable */
export type Look = (stores: Stores, named: NamedObject, row: NamingRow) => Promise<Checked>;

/** Reads the object, and makes the row say what is true. */
export async function checkNamed(stores: Stores, named: NamedObject, row: NamingRow): Promise<Checked> {
  const found = await read(stores.objects, named.key, named.digest);
  const finding = await judge(stores, named, found, row);
  return { bytes: found?.size ?? 0, findings: finding === null ? [] : [finding] };
}

interface Found {
  /** Bytes. */
  size: number;
  digest: Digest;
}

/** Null when there is no object. */
async function read(objects: Objects, key: string, digest: Digest): Promise<Found | null> {
  // The row's size is not to be trusted.
  const info = await objects.head(key);
  if (info === null) return null;
  const algorithm = algorithmOf(digest);
  const digests = await hashObject(objects, key, info.size, [algorithm]);
  return digests === null ? null : { size: info.size, digest: digests[algorithm] };
}

async function judge(
  { db }: Stores,
  { kind, digest, key, size, missing, where }: NamedObject,
  found: Found | null,
  row: NamingRow,
): Promise<Finding | null> {
  if (found === null) {
    const gone = await noteMissing(db, { kind, digest, key });
    return gone ? { outcome: "missing", kind, digest } : null;
  }
  if (found.digest !== digest) {
    const detail = `${where}${found.size} bytes that hash to ${found.digest}`;
    const aside = await row.quarantine();
    return aside ? { outcome: "quarantined", kind, digest, objectKey: key, detail } : null;
  }
  if (found.size === size && !missing) return null;
  const what =
    found.size === size ? "its object is there after all" : `its size is ${found.size}, not ${size}`;
  const corrected = await row.correct(found.size);
  return corrected ? { outcome: "healed", kind, digest, detail: where + what } : null;
}
