/**
 * The audit trail, as it is written: each statement here goes into the batch that makes the change, so that neither
 * exists without the other. What a deletion takes is read before it, in the same batch.
 *
 * An event's id is made of its request, or of what else there can be only one of, so a repeated batch adds nothing.
 */

import type { Digest } from "../oci/digest.ts";
import type { RepositoryName, Tag } from "../oci/reference.ts";
import type { Database, Statement } from "./database.ts";

/** Who does something. It goes with every write, to upload sessions too. */
export interface Actor {
  /** Of the request; random. */
  request: string;
  /** A user's, or the one that somebody has elsewhere; null for nobody who is known. */
  name: string | null;
  /** "password", "token" with a machine token's id, "oidc"; null without any. What cli/user-events.ts writes has "command line". */
  credential: string | null;
  /** The network address; null where nobody asked from one. */
  address: string | null;
  userAgent: string | null;
}

/** What is not a change of rows that another statement here tells of. */
export interface Happening {
  action:
    | "create-token"
    | "revoke-token"
    | "revoke-tokens"
    | "collect"
    | "scrub"
    | "migrate-store"
    | "move-repositories";
  outcome: string;
  /** What it is about. */
  reference: string | null;
  detail: object | null;
}

const COLUMNS = `id, at, actor, credential, address, user_agent, action, outcome, repository, reference, old_digest, new_digest, detail`;

/** The values of the first columns; what follows the id tells the events of one request apart. */
function first(by: Actor, at: number, id: string): unknown[] {
  return [id, at, by.name, by.credential, by.address, by.userAgent];
}

/** One of its kind a request. */
export function noteHappening(
  db: Database,
  by: Actor,
  { action, outcome, reference, detail }: Happening,
  at: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO audit_events (${COLUMNS})
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, ?9, NULL, NULL, ?10) ON CONFLICT DO NOTHING`,
    )
    .bind(
      ...first(by, at, `${by.request}/${action}`),
      action,
      outcome,
      reference,
      detail && JSON.stringify(detail),
    );
}

/** By itself, of what no batch can hold. @throws Unavailable */
export async function writeHappening(db: Database, by: Actor, happening: Happening): Promise<void> {
  await noteHappening(db, by, happening, Date.now()).all();
}

/** Unless the last minute has had 20 of its kind: whoever fails to log in must not fill the database. Answers a row. */
export function noteFailedLogIn(
  db: Database,
  by: Actor,
  { outcome, reference, detail }: Omit<Happening, "action">,
  at: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO audit_events (${COLUMNS})
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'log-in', ?7, NULL, ?8, NULL, NULL, ?9
       WHERE (SELECT id FROM audit_events
              WHERE at > ?2 - 60000 AND action = 'log-in' AND outcome = ?7 AND (?7 = 'refused' OR credential = ?4)
              LIMIT 1 OFFSET 19) IS NULL
       ON CONFLICT DO NOTHING RETURNING 1`,
    )
    .bind(...first(by, at, `${by.request}/log-in`), outcome, reference, detail && JSON.stringify(detail));
}

/** Behind the statement that writes the manifest. Every push is one, also of what is there already. */
export function notePush(
  db: Database,
  by: Actor,
  repository: RepositoryName,
  { digest, tags }: { digest: Digest; tags: readonly Tag[] },
  at: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO audit_events (${COLUMNS})
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'push-manifest', 'done', ?7, NULL, NULL, digest, ?9 FROM manifests
       WHERE repository_id = (SELECT id FROM repositories WHERE name = ?7) AND digest = ?8 ON CONFLICT DO NOTHING`,
    )
    .bind(...first(by, at, `${by.request}/manifest`), repository, digest, JSON.stringify({ tags }));
}

/** Between the statements that write the manifest and move its tags: of each that is new, or named another until then. */
export function noteMoves(
  db: Database,
  by: Actor,
  repository: RepositoryName,
  { digest, tags }: { digest: Digest; tags: readonly Tag[] },
  at: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO audit_events (${COLUMNS})
       SELECT ?1 || value, ?2, ?3, ?4, ?5, ?6, 'move-tag', 'done', ?7, value, old.digest, pushed.digest, NULL
       FROM manifests AS pushed JOIN json_each(?9)
       LEFT JOIN tags ON tags.repository_id = pushed.repository_id AND name = value
       LEFT JOIN manifests AS old ON old.id = manifest_id
       WHERE pushed.repository_id = (SELECT id FROM repositories WHERE name = ?7) AND pushed.digest = ?8
         AND manifest_id IS NOT pushed.id ON CONFLICT DO NOTHING`,
    )
    .bind(...first(by, at, `${by.request}/tag/`), repository, digest, JSON.stringify(tags));
}

/** Before the statement that deletes the tag. */
export function noteTagDeletion(
  db: Database,
  by: Actor,
  repository: RepositoryName,
  tag: Tag,
  at: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO audit_events (${COLUMNS})
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'delete-tag', 'done', ?7, name, digest, NULL, NULL
       FROM tags JOIN manifests ON manifests.id = manifest_id
       WHERE tags.repository_id = (SELECT id FROM repositories WHERE name = ?7) AND name = ?8 ON CONFLICT DO NOTHING`,
    )
    .bind(...first(by, at, `${by.request}/tag/${tag}`), repository, tag);
}

/** Before the statement that deletes the manifest: that, and each of its tags, which go with it. */
export function noteManifestDeletion(
  db: Database,
  by: Actor,
  repository: RepositoryName,
  digest: Digest,
  at: number,
): Statement[] {
  return [
    db
      .prepare(
        `INSERT INTO audit_events (${COLUMNS})
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'delete-manifest', 'done', ?7, NULL, digest, NULL, NULL FROM manifests
         WHERE repository_id = (SELECT id FROM repositories WHERE name = ?7) AND digest = ?8 ON CONFLICT DO NOTHING`,
      )
      .bind(...first(by, at, `${by.request}/manifest`), repository, digest),
    db
      .prepare(
        `INSERT INTO audit_events (${COLUMNS})
         SELECT ?1 || name, ?2, ?3, ?4, ?5, ?6, 'delete-tag', 'done', ?7, name, digest, NULL, NULL
         FROM manifests JOIN tags ON manifest_id = manifests.id
         WHERE manifests.repository_id = (SELECT id FROM repositories WHERE name = ?7) AND digest = ?8
         ON CONFLICT DO NOTHING`,
      )
      .bind(...first(by, at, `${by.request}/tag/`), repository, digest),
  ];
}

/** Behind the statement that links the blob. One object is one push, however often its commit is repeated. */
export function noteBlobPush(
  db: Database,
  by: Actor,
  repository: RepositoryName,
  object: { key: string; digest: Digest; size: number },
  at: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO audit_events (${COLUMNS})
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'push-blob', 'done', ?7, NULL, NULL, ?8, ?9
       WHERE NOT EXISTS (SELECT 1 FROM doomed_objects WHERE object_key = ?10) ON CONFLICT DO NOTHING`,
    )
    .bind(
      ...first(by, at, object.key),
      repository,
      object.digest,
      JSON.stringify({ size: object.size }),
      object.key,
    );
}

/** Beside the statement that links the blob, under the same condition. */
export function noteMount(
  db: Database,
  by: Actor,
  digest: Digest,
  from: RepositoryName,
  to: RepositoryName,
  at: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO audit_events (${COLUMNS})
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'mount-blob', 'done', ?7, NULL, NULL, digest, json_object('from', ?8)
       FROM blobs JOIN repository_blobs AS source ON source.blob_id = blobs.id
       WHERE source.repository_id = (SELECT id FROM repositories WHERE name = ?8) AND digest = ?9
         AND missing_at IS NULL ON CONFLICT DO NOTHING`,
    )
    .bind(...first(by, at, `${by.request}/blob`), to, from, digest);
}

/** Before the statement that takes the blob out of the repository, under the same condition. */
export function noteUnlinking(
  db: Database,
  by: Actor,
  repository: RepositoryName,
  digest: Digest,
  at: number,
): Statement {
  return db
    .prepare(
      `INSERT INTO audit_events (${COLUMNS})
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'delete-blob', 'done', ?7, NULL, digest, NULL, NULL
       FROM blobs JOIN repository_blobs AS link ON link.blob_id = blobs.id
       WHERE link.repository_id = (SELECT id FROM repositories WHERE name = ?7) AND digest = ?8
         AND NOT EXISTS (SELECT 1 FROM manifest_blobs AS reference
                         WHERE reference.repository_id = link.repository_id AND reference.blob_id = link.blob_id)
       ON CONFLICT DO NOTHING`,
    )
    .bind(...first(by, at, `${by.request}/blob`), repository, digest);
}
