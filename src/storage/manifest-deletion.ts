/** Deleting tags and manifests, unless a policy keeps them as they are. */

import type { Digest } from "../oci/digest.ts";
import type { RepositoryName, Tag } from "../oci/reference.ts";
import { type Actor, noteManifestDeletion, noteTagDeletion } from "./audit.ts";
import { type Database, isConstraintViolation, type Statement } from "./database.ts";
import { assertPolicies, type ImmutableTag, readPolicies } from "./policies.ts";

/** How often a deletion is tried again because tags or policies came meanwhile. */
const MAX_TRIES = 5;

/** How many tags are looked at for one manifest, where a policy may keep them: their names are bound to a statement. */
const MAX_TAGS = 10_000;

/** "too-many-tags": more than are looked at, of which a policy may keep one. */
export type DeletionOutcome =
  | { kind: "deleted" | "unknown" | "too-many-tags" }
  | { kind: "immutable"; tag: ImmutableTag };

/** Deletes a tag; its manifest stays. */
export function deleteTag(
  db: Database,
  repository: RepositoryName,
  tag: Tag,
  by: Actor,
): Promise<DeletionOutcome> {
  return untilUndisturbed(async () => {
    const { policies, version } = await readPolicies(db);
    const policy = policies.immutableBy(repository, tag);
    if (policy !== null) {
      const digest = await findTag(db, repository, tag);
      return digest === null ? { kind: "unknown" } : { kind: "immutable", tag: { tag, digest, policy } };
    }
    return change(db, [
      assertPolicies(db, version),
      noteTagDeletion(db, by, repository, tag, Date.now()),
      db
        .prepare(
          `DELETE FROM tags WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND name = ?2
           RETURNING 1`,
        )
        .bind(repository, tag),
    ]);
  });
}

async function findTag(db: Database, repository: RepositoryName, tag: Tag): Promise<Digest | null> {
  const row = await db
    .prepare(
      `SELECT digest FROM tags JOIN manifests ON manifests.id = manifest_id
       WHERE tags.repository_id = (SELECT id FROM repositories WHERE name = ?1) AND name = ?2`,
    )
    .bind(repository, tag)
    .first<{ digest: Digest }>();
  return row?.digest ?? null;
}

/** Deletes a manifest with all its tags and references: cascades and triggers do the rest. */
export function deleteManifest(
  db: Database,
  repository: RepositoryName,
  digest: Digest,
  by: Actor,
): Promise<DeletionOutcome> {
  return untilUndisturbed(async () => {
    const { policies, version } = await readPolicies(db);
    const guards = [assertPolicies(db, version)];
    if (policies.concern(repository)) {
      const tags = await tagsOver(db, repository, digest);
      if (tags.length > MAX_TAGS) return { kind: "too-many-tags" };
      for (const { tag, digest } of tags) {
        const policy = policies.immutableBy(repository, tag);
        if (policy !== null) return { kind: "immutable", tag: { tag, digest, policy } };
      }
      const names = tags.map(({ tag }) => tag);
      guards.push(assertNoOtherTags(db, repository, digest, names));
    }
    return change(db, [
      ...guards,
      ...noteManifestDeletion(db, by, repository, digest, Date.now()),
      db
        .prepare(
          `DELETE FROM manifests
           WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2 RETURNING 1`,
        )
        .bind(repository, digest),
    ]);
  });
}

/** What names the manifest, directly or through indexes. CROSS JOIN begins there: SQLite would read all tags first. */
const OVER = `over (id, digest) AS (
    SELECT id, digest FROM manifests
    WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2
    UNION
    SELECT parent.id, parent.digest
    FROM over JOIN index_manifests USING (digest) JOIN manifests AS parent ON parent.id = index_id
    WHERE index_manifests.repository_id = (SELECT id FROM repositories WHERE name = ?1))`;

/** The tags by which a manifest is pulled: its own, and those of the indexes that name it. One more than are looked at. */
function tagsOver(
  db: Database,
  repository: RepositoryName,
  digest: Digest,
): Promise<{ tag: Tag; digest: Digest }[]> {
  return db
    .prepare(
      `WITH RECURSIVE ${OVER}
       SELECT name AS tag, digest FROM over CROSS JOIN tags ON manifest_id = over.id LIMIT 10001`,
    )
    .bind(repository, digest)
    .all();
}

/** Refuses its batch, as a constraint does, when the manifest has got a tag that was not looked at. */
function assertNoOtherTags(db: Database, repository: RepositoryName, digest: Digest, tags: Tag[]): Statement {
  return db
    .prepare(
      `WITH RECURSIVE ${OVER}
       UPDATE registry SET policies_version = NULL WHERE id = 1 AND EXISTS (
         SELECT 1 FROM over CROSS JOIN tags ON manifest_id = over.id
         WHERE name NOT IN (SELECT value FROM json_each(?3)))`,
    )
    .bind(repository, digest, JSON.stringify(tags));
}

/** @param statements the last one answers a row when it deletes */
async function change(db: Database, statements: Statement[]): Promise<DeletionOutcome> {
  const { results, repeated } = await db.change(statements);
  return { kind: results.at(-1)?.length === 1 || repeated ? "deleted" : "unknown" };
}

/** Looks again when something came between the look and the deletion. */
async function untilUndisturbed(attempt: () => Promise<DeletionOutcome>): Promise<DeletionOutcome> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isConstraintViolation(error) || tries === MAX_TRIES) throw error;
    }
  }
}
