-- Where everything lives
--
--   repositories ──┬─< repository_blobs >── blobs ──── object_key ──▶ R2: one object per blob
--    (id, name)    │     (a link: this        (id, digest, size)
--                  │      repository may
--                  │      see this blob)
--                  │            ▲
--                  │            │ foreign key: what a manifest names cannot go away
--                  │      manifest_blobs
--                  │            │
--                  └─< manifests ──── content, or object_key ──▶ R2: a manifest too large for a row
--                       │   ▲  └───── subject: the digest that it refers to, which need not exist
--                       │   │
--           index_manifests └── tags
--          (the digests that
--           an index names)
--
-- Rows name one another by ids, which take a few bytes where a digest takes 71: each digest stands in its row and in
-- the index that finds it, however often it is referred to (npm run bench:schema). What need not exist is named by
-- digest. SQLite may give the id of a row that has gone to a new one, so an id that a statement has read is no more
-- than a hint to the next: that finds the row by its digest again, or has its conditions beside the id.
--
--   pending_objects: keys that an upload is about to use and no row names yet
--   doomed_objects: keys that no row names any more, waiting to be deleted
--   quarantined_objects: keys whose bytes are not what their row said
--   registry: whose database this is
--   gc_state, gc_runs: where collection stands, and what it did
--   upload sessions live in Durable Objects, users in KV
--
-- Times are milliseconds since the epoch, sizes are bytes, digests are "<algorithm>:<hex>".
--
-- Form: D1 splits a file into statements by itself, and has failed on triggers of several lines. So each trigger
-- stands on one line, and no comment has a semicolon (test/storage/migrations.test.ts). CAST(unixepoch('subsec')
-- * 1000 AS INTEGER) is now.

CREATE TABLE registry (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Random. The bucket keeps the same: with another database's bucket nothing is deleted.
  identity TEXT NOT NULL,
  -- Raised by every migration that the code relies on, see SCHEMA_VERSION in src/storage/registry.ts.
  schema_version INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

INSERT INTO registry (id, identity, schema_version, created_at) VALUES (1, lower(hex(randomblob(16))), 1, CAST(unixepoch('subsec') * 1000 AS INTEGER));

CREATE TABLE repositories (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  -- 1 while it holds neither a blob nor a manifest. Kept by the triggers below.
  empty INTEGER NOT NULL DEFAULT 1,
  -- 1 while it holds a manifest: then the catalog lists it. Kept by the triggers below.
  listed INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX repositories_empty ON repositories (id) WHERE empty = 1;
CREATE INDEX repositories_listed ON repositories (name) WHERE listed = 1;

CREATE TABLE blobs (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  -- A random R2 key. It is never used again, so deleting it can never hit a newer upload of this digest.
  object_key TEXT NOT NULL UNIQUE,
  size INTEGER NOT NULL,
  -- When it was last uploaded.
  used_at INTEGER NOT NULL,
  -- 0 when no repository sees it any more. Kept by the triggers below.
  linked INTEGER NOT NULL DEFAULT 1,
  -- When its object was found to be missing or broken. Until a push or a scrub brings it back, nobody sees it.
  missing_at INTEGER
) STRICT;

-- What collection looks through: only garbage, so that its cost does not grow with what is live.
CREATE INDEX blobs_unlinked ON blobs (used_at, digest) WHERE linked = 0;
CREATE INDEX blobs_missing ON blobs (digest) WHERE missing_at IS NOT NULL;

-- Invariant 2: a blob is visible in a repository only through its row here.
CREATE TABLE repository_blobs (
  repository_id INTEGER NOT NULL REFERENCES repositories (id),
  blob_id INTEGER NOT NULL REFERENCES blobs (id),
  -- When a push last relied on it (uploaded, mounted, or found by HEAD, refreshed lazily), or when the last manifest
  -- that named it went.
  used_at INTEGER NOT NULL,
  -- 1 while a manifest of the repository names it. Kept by the triggers below.
  referenced INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (repository_id, blob_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX repository_blobs_by_blob ON repository_blobs (blob_id);
CREATE INDEX repository_blobs_unreferenced ON repository_blobs (used_at, repository_id, blob_id) WHERE referenced = 0;

CREATE TABLE manifests (
  id INTEGER PRIMARY KEY,
  repository_id INTEGER NOT NULL REFERENCES repositories (id),
  digest TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  -- The exact bytes as text (they are valid UTF-8), unless they are too large for a row …
  content TEXT,
  -- … and then the R2 key of the object that holds them.
  object_key TEXT,
  -- The digest of the manifest this one refers to. It need not exist.
  subject TEXT,
  -- For the referrers list: what a descriptor of this manifest carries.
  artifact_type TEXT,
  -- JSON, only beside a subject. NULL when too large to keep here: then they are read from the bytes.
  annotations TEXT,
  -- When a push last relied on it (pushed, or found by HEAD, refreshed lazily), or when it lost a tag, or an index
  -- that named it, or its subject, went.
  used_at INTEGER NOT NULL,
  -- 1 while a tag or an index names it, or its subject is there. Kept by the triggers below.
  held INTEGER NOT NULL DEFAULT 0,
  -- As that of a blob, for a manifest that is an object.
  missing_at INTEGER,
  UNIQUE (repository_id, digest),
  CHECK ((content IS NULL) <> (object_key IS NULL))
) STRICT;

-- Few are objects, and a NULL would take room as well.
CREATE UNIQUE INDEX manifests_by_object_key ON manifests (object_key) WHERE object_key IS NOT NULL;
CREATE INDEX manifests_by_subject ON manifests (repository_id, subject, digest) WHERE subject IS NOT NULL;
CREATE INDEX manifests_by_artifact_type ON manifests (repository_id, subject, artifact_type, digest) WHERE subject IS NOT NULL;
CREATE INDEX manifests_untagged ON manifests (used_at, id) WHERE held = 0;
CREATE INDEX manifests_missing ON manifests (digest) WHERE missing_at IS NOT NULL;

-- Invariant 1: every blob that a manifest names exists in its repository, and stays.
CREATE TABLE manifest_blobs (
  manifest_id INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
  blob_id INTEGER NOT NULL,
  -- The manifest's.
  repository_id INTEGER NOT NULL,
  PRIMARY KEY (manifest_id, blob_id),
  FOREIGN KEY (repository_id, blob_id) REFERENCES repository_blobs (repository_id, blob_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX manifest_blobs_by_blob ON manifest_blobs (repository_id, blob_id);

-- What an image index names, by digest and not by a foreign key: sparse indexes are allowed by a setting, and a
-- manifest that an index names can be deleted.
CREATE TABLE index_manifests (
  index_id INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
  digest TEXT NOT NULL,
  -- The index's.
  repository_id INTEGER NOT NULL,
  PRIMARY KEY (index_id, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX index_manifests_by_digest ON index_manifests (repository_id, digest);

-- Names compare in BINARY collation, which is the ASCII order that the specification asks of lists.
CREATE TABLE tags (
  repository_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  -- A manifest of the repository.
  manifest_id INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (repository_id, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX tags_by_manifest ON tags (manifest_id);

-- An upload that is being closed has an object and no row yet. A commit takes its key off this list.
CREATE TABLE pending_objects (
  object_key TEXT PRIMARY KEY,
  registered_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX pending_objects_by_age ON pending_objects (registered_at);

-- Invariant 6: a key comes here in the statement that deletes its row, by the triggers below. R2 deletion follows
-- after DELETED_BYTES_KEPT, so that a database restored to an older day finds its objects, and is repeated until it
-- succeeds.
CREATE TABLE doomed_objects (
  object_key TEXT PRIMARY KEY,
  bytes INTEGER NOT NULL,
  doomed_at INTEGER NOT NULL,
  -- When R2 has confirmed, NULL before. The row stands a while longer: no commit on its way may use the key.
  deleted_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX doomed_objects_waiting ON doomed_objects (doomed_at, object_key, bytes) WHERE deleted_at IS NULL;
CREATE INDEX doomed_objects_deleted ON doomed_objects (deleted_at) WHERE deleted_at IS NOT NULL;

-- What a scrub found to hash to something else than its row said. Nobody deletes it but you.
CREATE TABLE quarantined_objects (
  object_key TEXT PRIMARY KEY,
  -- What it should have been.
  digest TEXT NOT NULL,
  found_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `referenced`, `linked`, `held`, `empty` and `listed` say what a search for rows that do NOT exist would have to read
-- everything for. They only lead collection to its candidates, and the catalog to its pages: the foreign keys and the conditions in
-- src/storage/garbage decide what may go. As triggers they hold for every statement, cascades too.
CREATE TRIGGER reference_added AFTER INSERT ON manifest_blobs BEGIN UPDATE repository_blobs SET referenced = 1 WHERE repository_id = NEW.repository_id AND blob_id = NEW.blob_id AND referenced = 0; END;
CREATE TRIGGER reference_removed AFTER DELETE ON manifest_blobs BEGIN UPDATE repository_blobs SET referenced = 0, used_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE repository_id = OLD.repository_id AND blob_id = OLD.blob_id AND NOT EXISTS (SELECT 1 FROM manifest_blobs WHERE repository_id = OLD.repository_id AND blob_id = OLD.blob_id); END;

CREATE TRIGGER link_added AFTER INSERT ON repository_blobs BEGIN UPDATE blobs SET linked = 1 WHERE id = NEW.blob_id AND linked = 0; UPDATE repositories SET empty = 0 WHERE id = NEW.repository_id AND empty = 1; END;
CREATE TRIGGER link_removed AFTER DELETE ON repository_blobs BEGIN UPDATE blobs SET linked = 0 WHERE id = OLD.blob_id AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE blob_id = OLD.blob_id); UPDATE repositories SET empty = 1 WHERE id = OLD.repository_id AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_id = OLD.repository_id) AND NOT EXISTS (SELECT 1 FROM manifests WHERE repository_id = OLD.repository_id); END;

CREATE TRIGGER tag_added AFTER INSERT ON tags BEGIN UPDATE manifests SET held = 1 WHERE id = NEW.manifest_id AND held = 0; END;
CREATE TRIGGER tag_moved AFTER UPDATE OF manifest_id ON tags WHEN OLD.manifest_id <> NEW.manifest_id BEGIN UPDATE manifests SET held = 1 WHERE id = NEW.manifest_id AND held = 0; UPDATE manifests SET used_at = CAST(unixepoch('subsec') * 1000 AS INTEGER), held = EXISTS (SELECT 1 FROM tags WHERE manifest_id = manifests.id) OR EXISTS (SELECT 1 FROM index_manifests AS parent WHERE parent.repository_id = manifests.repository_id AND parent.digest = manifests.digest) OR EXISTS (SELECT 1 FROM manifests AS named WHERE named.repository_id = manifests.repository_id AND named.digest = manifests.subject) WHERE id = OLD.manifest_id; END;
CREATE TRIGGER tag_removed AFTER DELETE ON tags BEGIN UPDATE manifests SET used_at = CAST(unixepoch('subsec') * 1000 AS INTEGER), held = EXISTS (SELECT 1 FROM tags WHERE manifest_id = manifests.id) OR EXISTS (SELECT 1 FROM index_manifests AS parent WHERE parent.repository_id = manifests.repository_id AND parent.digest = manifests.digest) OR EXISTS (SELECT 1 FROM manifests AS named WHERE named.repository_id = manifests.repository_id AND named.digest = manifests.subject) WHERE id = OLD.manifest_id; END;
CREATE TRIGGER index_entry_added AFTER INSERT ON index_manifests BEGIN UPDATE manifests SET held = 1 WHERE repository_id = NEW.repository_id AND digest = NEW.digest AND held = 0; END;
CREATE TRIGGER index_entry_removed AFTER DELETE ON index_manifests BEGIN UPDATE manifests SET used_at = CAST(unixepoch('subsec') * 1000 AS INTEGER), held = EXISTS (SELECT 1 FROM tags WHERE manifest_id = manifests.id) OR EXISTS (SELECT 1 FROM index_manifests AS parent WHERE parent.repository_id = manifests.repository_id AND parent.digest = manifests.digest) OR EXISTS (SELECT 1 FROM manifests AS named WHERE named.repository_id = manifests.repository_id AND named.digest = manifests.subject) WHERE repository_id = OLD.repository_id AND digest = OLD.digest; END;

CREATE TRIGGER manifest_added AFTER INSERT ON manifests BEGIN UPDATE manifests SET held = 1 WHERE id = NEW.id AND (EXISTS (SELECT 1 FROM index_manifests WHERE repository_id = NEW.repository_id AND digest = NEW.digest) OR EXISTS (SELECT 1 FROM manifests AS named WHERE named.repository_id = NEW.repository_id AND named.digest = NEW.subject)); UPDATE manifests SET held = 1 WHERE repository_id = NEW.repository_id AND subject = NEW.digest AND held = 0; UPDATE repositories SET empty = 0, listed = 1 WHERE id = NEW.repository_id AND listed = 0; END;
CREATE TRIGGER manifest_deleted AFTER DELETE ON manifests BEGIN INSERT INTO doomed_objects (object_key, bytes, doomed_at) SELECT OLD.object_key, OLD.size, CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE OLD.object_key IS NOT NULL ON CONFLICT DO NOTHING; UPDATE manifests SET used_at = CAST(unixepoch('subsec') * 1000 AS INTEGER), held = EXISTS (SELECT 1 FROM tags WHERE manifest_id = manifests.id) OR EXISTS (SELECT 1 FROM index_manifests WHERE index_manifests.repository_id = manifests.repository_id AND index_manifests.digest = manifests.digest) WHERE repository_id = OLD.repository_id AND subject = OLD.digest; UPDATE repositories SET listed = 0 WHERE id = OLD.repository_id AND NOT EXISTS (SELECT 1 FROM manifests WHERE repository_id = OLD.repository_id); UPDATE repositories SET empty = 1 WHERE id = OLD.repository_id AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_id = OLD.repository_id) AND NOT EXISTS (SELECT 1 FROM manifests WHERE repository_id = OLD.repository_id); END;
CREATE TRIGGER blob_deleted AFTER DELETE ON blobs BEGIN INSERT INTO doomed_objects (object_key, bytes, doomed_at) VALUES (OLD.object_key, OLD.size, CAST(unixepoch('subsec') * 1000 AS INTEGER)) ON CONFLICT DO NOTHING; END;

-- One row: who collects garbage until when, and where the next run goes on.
CREATE TABLE gc_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- The id of the run that holds the lease. NULL when none does.
  holder TEXT,
  lease_expires_at INTEGER NOT NULL,
  -- JSON: for each walk through live objects, the last one seen.
  cursors TEXT NOT NULL
) STRICT;

INSERT INTO gc_state (id, holder, lease_expires_at, cursors) VALUES (1, NULL, 0, '{}');

CREATE TABLE gc_runs (
  id TEXT PRIMARY KEY,
  started_at INTEGER NOT NULL,
  -- JSON: see CollectionReport.
  report TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX gc_runs_by_started_at ON gc_runs (started_at);
