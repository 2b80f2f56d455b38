/** Pushing a manifest: it is accepted with everything it names, or not at all. */

import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { RepositoryName, Tag } from "../oci/reference.ts";
import { type Actor, noteMoves, notePush } from "./audit.ts";
import { dropRefused } from "./blob-push.ts";
import { type Database, isConstraintViolation, isOverQuota, type Statement } from "./database.ts";
import { keepOneObject, type StoredRow } from "./manifest-object.ts";
import {
  moveTags,
  type NewManifest,
  noteMissingManifests,
  referenceBlobs,
  referenceManifests,
  slices,
  upsertManifest,
} from "./manifest-rows.ts";
import { newObjectKey } from "./objects/keys.ts";
import {
  assertPolicies,
  type ImmutableTag,
  type PoliciesRow,
  policiesOf,
  selectPolicies,
} from "./policies.ts";
import { exceededBy, type OverQuota } from "./quota-room.ts";
import { selectTightest, type TightestRow } from "./quotas.ts";
import { datePush, ensureRepository } from "./repositories.ts";
import type { Stores } from "./stores.ts";

/** The largest manifest kept in its row, in bytes. D1 refuses rows above 2,000,000 (the simulator does not). */
const MAX_INLINE_SIZE = 1_000_000;

/** How often a push is tried again because something it names came or went meanwhile. */
const MAX_TRIES = 5;

/** "missing": it names what the repository does not hold. "immutable": one of its tags names another manifest. */
export type PushOutcome =
  | { kind: "accepted" }
  | { kind: "missing"; digests: Digest[] }
  | { kind: "immutable"; tag: ImmutableTag }
  | OverQuota;

/**
 * Stores a manifest and moves its tags to it, in one transaction. Can be repeated.
 * @param sparse whether an index may name manifests that the repository does not hold
 * @throws Unavailable, DatabaseFull
 */
export async function putManifest(
  stores: Stores,
  repository: RepositoryName,
  pushed: NewManifest,
  sparse: boolean,
  by: Actor,
  now: number,
): Promise<PushOutcome> {
  for (let tries = 1; ; tries++) {
    // 1. Look at what it names, at what may not move, and at the room there is.
    const { references, fixed, tightest } = await look(stores.db, repository, pushed, by);
    const missing = sparse
      ? references.missingBlobs
      : [...references.missingBlobs, ...references.missingManifests];
    if (missing.length > 0) return { kind: "missing", digests: missing };
    stores.db.assertRoom();
    const tag = await findMoved(stores.db, repository, pushed.digest, fixed);
    if (tag !== null) return { kind: "immutable", tag };
    const exceeded = exceededBy(tightest, pushed.bytes.byteLength);
    if (exceeded !== null) return exceeded;
    // 2. Write it with its references. The constraints refuse if one was deleted since step 1, if an immutable tag
    //    has come, if the policies are others, or if the room is gone: look again.
    try {
      if (await write(stores, repository, pushed, { references, fixed }, by, now))
        return { kind: "accepted" };
      if (tries === MAX_TRIES) throw new Error("the manifest's new object was doomed every time");
    } catch (error) {
      if (!isRefusal(error) || tries === MAX_TRIES) throw error;
    }
  }
}

/** What the write relies on. */
interface Looked {
  references: Resolved;
  fixed: Fixed;
  /** The quota with the least room for it; null without any. */
  tightest: TightestRow | null;
}

function isRefusal(error: unknown): boolean {
  return isConstraintViolation(error) || isOverQuota(error);
}

/** Which of the tags do not move once they are there. */
interface Fixed {
  /** Tag → the policy that says so. */
  tags: Map<Tag, string>;
  /** Whether some tag of the repository may be one of these: then manifests keep their media types. */
  keepsTypes: boolean;
  /** Of the policies. */
  version: number;
}

interface Resolved {
  /** Blobs that the manifest holds on to. */
  blobs: Digest[];
  /** Manifests that the index names and the repository holds. */
  manifests: Digest[];
  missingBlobs: Digest[];
  missingManifests: Digest[];
}

async function look(
  db: Database,
  repository: RepositoryName,
  { manifest, digest, tags }: NewManifest,
  by: Actor,
): Promise<Looked> {
  const named = [...manifest.blobs, ...manifest.nonDistributable, ...manifest.manifests];
  const [rows = [], [tightest = null] = [], ...answers] = await db.batch<unknown>([
    selectPolicies(db),
    selectTightest(db, { repository, owner: by.name, digest }),
    ...selectHoldings(db, repository, named),
  ]);
  const { policies, version } = policiesOf(rows as PoliciesRow[]);
  const fixed: Fixed = { tags: new Map(), keepsTypes: policies.concern(repository), version };
  for (const tag of tags) {
    const policy = policies.immutableBy(repository, tag);
    if (policy !== null) fixed.tags.set(tag, policy);
  }
  return {
    references: resolve(manifest, answers.flat() as HoldingRow[]),
    fixed,
    tightest: tightest as TightestRow | null,
  };
}

function resolve(manifest: Manifest, holdings: HoldingRow[]): Resolved {
  const held = new Map(holdings.map((row) => [row.digest, row]));
  const isBlob = (digest: Digest) => held.get(digest)?.is_blob === 1;
  const isManifest = (digest: Digest) => held.get(digest)?.is_manifest === 1;
  return {
    blobs: [
      ...manifest.blobs,
      ...manifest.nonDistributable.filter(isBlob),
      // BuildKit exports its cache as an index that names layers, which are blobs.
      ...manifest.manifests.filter((digest) => !isManifest(digest) && isBlob(digest)),
    ],
    manifests: manifest.manifests.filter(isManifest),
    missingBlobs: manifest.blobs.filter((digest) => !isBlob(digest)),
    missingManifests: manifest.manifests.filter((digest) => !isManifest(digest) && !isBlob(digest)),
  };
}

interface HoldingRow {
  digest: Digest;
  is_blob: 0 | 1;
  is_manifest: 0 | 1;
}

/** Which of these digests the repository holds, and as what. */
function selectHoldings(db: Database, repository: RepositoryName, digests: Digest[]): Statement[] {
  const statement = db.prepare(
    `WITH repository AS MATERIALIZED (SELECT id FROM repositories WHERE name = ?1)
     SELECT value AS digest,
            EXISTS (SELECT 1 FROM blobs JOIN repository_blobs ON blob_id = blobs.id
                    WHERE repository_id = (SELECT id FROM repository) AND blobs.digest = value
                      AND missing_at IS NULL) AS is_blob,
            EXISTS (SELECT 1 FROM manifests
                    WHERE repository_id = (SELECT id FROM repository) AND digest = value
                      AND missing_at IS NULL) AS is_manifest
     FROM json_each(?2)`,
  );
  return slices(digests).map((slice) => statement.bind(repository, slice));
}

/** One of the tags that are not to move, and name another manifest; null when there is none. */
async function findMoved(
  db: Database,
  repository: RepositoryName,
  digest: Digest,
  { tags }: Fixed,
): Promise<ImmutableTag | null> {
  if (tags.size === 0) return null;
  const row = await db
    .prepare(
      `SELECT name AS tag, digest FROM tags JOIN json_each(?2) ON name = value
         JOIN manifests ON manifests.id = manifest_id
       WHERE tags.repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest <> ?3 LIMIT 1`,
    )
    .bind(repository, JSON.stringify([...tags.keys()]), digest)
    .first<{ tag: Tag; digest: Digest }>();
  return row && { ...row, policy: tags.get(row.tag) as string };
}

/** @returns false when the new object has been doomed meanwhile, and nothing was written */
async function write(
  stores: Stores,
  repository: RepositoryName,
  pushed: NewManifest,
  { references, fixed }: Pick<Looked, "references" | "fixed">,
  by: Actor,
  now: number,
): Promise<boolean> {
  const { db, objects } = stores;
  const objectKey = pushed.bytes.byteLength > MAX_INLINE_SIZE ? newObjectKey("manifests") : null;
  if (objectKey !== null) await objects.put(objectKey, pushed.bytes);
  const statements = [
    assertPolicies(db, fixed.version),
    ensureRepository(db, repository, by.name),
    upsertManifest(db, repository, pushed, objectKey, fixed.keepsTypes, now),
    ...referenceBlobs(db, repository, pushed.digest, references.blobs),
    ...referenceManifests(db, repository, pushed.digest, references.manifests),
    ...noteMissingManifests(db, repository, pushed.digest, references.missingManifests),
    noteMoves(db, by, repository, pushed, now),
    moveTags(db, repository, pushed, [...fixed.tags.keys()], now),
    datePush(db, repository, now),
    notePush(db, by, repository, pushed, now),
  ];
  const [, , stored] = await db.batch<StoredRow>(statements).catch(async (error) => {
    // A try before may have gone through, with its answer lost: only the database knows whether a row names it.
    // After anything but a refusal that is the orphan walk's to find out.
    if (objectKey !== null && isRefusal(error)) {
      await dropRefused(stores, objectKey, pushed.bytes.byteLength);
    }
    throw error;
  });
  const row = stored?.[0];
  // Written by a try before, then deleted, so the key may not be used again.
  if (row === undefined) return false;
  if (objectKey !== null && row.object_key !== objectKey) {
    await keepOneObject(stores, row, objectKey, pushed.bytes.byteLength);
  }
  return true;
}
