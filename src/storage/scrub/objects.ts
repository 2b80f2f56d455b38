/**
 * Objects that no row names, while rows are marked as missing: one of them may hold what a row lacks, as when the
 * database was restored to an older day. They are hashed, and a row that lacks just these bytes gets them.
 *
 * As a copy, because the object may not be ours to name: an upload that was interrupted still deletes its object up
 * to UPLOAD_EXPIRY later, and a doomed one is deleted by a collection that may have read its key already. Only one
 * that is as old as the orphan walk demands (nobody can be on its way to it then) and not doomed is named itself.
 * The database decides between that and the orphan walk: each refuses in its statement what the other has done.
 */

import type { Algorithm, Digest } from "../../oci/digest.ts";
import type { Database } from "../database.ts";
import { hashObject } from "../objects/hash.ts";
import { PREFIXES } from "../objects/keys.ts";
import type { ObjectInfo } from "../objects/objects.ts";
import type { Stores } from "../stores.ts";
import type { Checked } from "./findings.ts";
import { rebuildBlobs, rebuildManifests, type Unnamed } from "./rebuild.ts";
import type { Walk } from "./walk.ts";

/** Listed at once: most of them are named by rows. */
const LISTED = 1000;

/** @param freeBefore what was made before this, and is not doomed, is nobody's any more. Milliseconds since the epoch */
export function unnamedObjects(stores: Stores, freeBefore: number): Walk {
  return {
    async list(after) {
      const lacking = await findLacking(stores.db);
      const prefixes = PREFIXES.filter((prefix) => lacking[prefix].length > 0);
      const prefix = prefixes.find((one) => after === null || after < one || after.startsWith(one));
      // Nothing is missing (any more), so nothing is looked for.
      if (prefix === undefined) return { items: [], end: null };
      const { from, seen } = parsePosition(after?.startsWith(prefix) ? after : prefix);
      const page = await stores.objects.list(prefix, from === prefix ? null : from, LISTED);
      const listed = page.objects.filter(({ key }) => key > seen);
      const unnamed = await findUnnamed(stores.db, listed, freeBefore);
      const items = unnamed.map((object) => ({
        position: formatPosition({ from, seen: object.key }),
        bytes: object.size,
        check: () => check(stores, object, prefix, lacking[prefix]),
      }));
      const following = prefixes[prefixes.indexOf(prefix) + 1] ?? null;
      return { items, end: page.next === null ? following : formatPosition({ from: page.next, seen: "" }) };
    },
  };
}

/** Pages begin where the store says, and may be left in their middle. */
interface Position {
  /** Where the page begins: the prefix, or what the store named. */
  from: string;
  /** The last key of it that was looked at; empty for none. */
  seen: string;
}

function formatPosition({ from, seen }: Position): string {
  return `${from}${seen}#${seen.length}`;
}

/** Whatever it is that an administrator sends as one, it means something. */
function parsePosition(text: string): Position {
  const [end = "", length = ""] = /#(\d{1,4})$/.exec(text) ?? [];
  const both = text.slice(0, text.length - end.length);
  const at = Math.max(both.length - Number(length), 0);
  return { from: both.slice(0, at), seen: both.slice(at) };
}

async function check(
  stores: Stores,
  object: Unnamed,
  prefix: (typeof PREFIXES)[number],
  algorithms: Algorithm[],
): Promise<Checked> {
  const hashed = await hashObject(stores.objects, object.key, object.size, algorithms);
  // Deleted since it was listed.
  if (hashed === null) return { bytes: 0, findings: [] };
  const digests: Digest[] = Object.values(hashed);
  const rebuild = prefix === "blobs/" ? rebuildBlobs : rebuildManifests;
  return { bytes: object.size, findings: await rebuild(stores, object, digests) };
}

type Lacking = Record<(typeof PREFIXES)[number], Algorithm[]>;

interface LackingRow {
  blobs256: 0 | 1;
  blobs512: 0 | 1;
  manifests256: 0 | 1;
  manifests512: 0 | 1;
}

/** By which algorithms missing things are named, by where their objects would be. */
async function findLacking(db: Database): Promise<Lacking> {
  const row = await db
    .prepare(
      `SELECT
         EXISTS (SELECT 1 FROM blobs WHERE missing_at IS NOT NULL AND digest < 'sha512:') AS blobs256,
         EXISTS (SELECT 1 FROM blobs WHERE missing_at IS NOT NULL AND digest > 'sha512:') AS blobs512,
         EXISTS (SELECT 1 FROM manifests WHERE missing_at IS NOT NULL AND digest < 'sha512:') AS manifests256,
         EXISTS (SELECT 1 FROM manifests WHERE missing_at IS NOT NULL AND digest > 'sha512:') AS manifests512`,
    )
    .first<LackingRow>();
  const algorithms = (sha256 = 0, sha512 = 0): Algorithm[] => [
    ...(sha256 ? (["sha256"] as const) : []),
    ...(sha512 ? (["sha512"] as const) : []),
  ];
  return {
    "blobs/": algorithms(row?.blobs256, row?.blobs512),
    "manifests/": algorithms(row?.manifests256, row?.manifests512),
  };
}

interface UnnamedRow {
  object_key: string;
  size: number;
  doomed: 0 | 1;
}

/** One that an upload is about to commit is left to it, and one in quarantine was looked at before. */
async function findUnnamed(db: Database, listed: ObjectInfo[], freeBefore: number): Promise<Unnamed[]> {
  if (listed.length === 0) return [];
  const rows = await db
    .prepare(
      `SELECT listed.value ->> 0 AS object_key, listed.value ->> 1 AS size,
              EXISTS (SELECT 1 FROM doomed_objects WHERE object_key = listed.value ->> 0) AS doomed
       FROM json_each(?1) AS listed
       WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE object_key = listed.value ->> 0)
         AND NOT EXISTS (SELECT 1 FROM manifests WHERE object_key = listed.value ->> 0)
         AND NOT EXISTS (SELECT 1 FROM pending_objects WHERE object_key = listed.value ->> 0)
         AND NOT EXISTS (SELECT 1 FROM quarantined_objects WHERE object_key = listed.value ->> 0)`,
    )
    .bind(JSON.stringify(listed.map(({ key, size }) => [key, size])))
    .all<UnnamedRow>();
  const old = new Set(listed.filter(({ createdAt }) => createdAt < freeBefore).map(({ key }) => key));
  return rows.map(({ object_key: key, size, doomed }) => {
    return { key, size, free: doomed === 0 && old.has(key) };
  });
}
