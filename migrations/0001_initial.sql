-- Where everything lives
--
--   repositories ──┬─< repository_blobs >── blobs ──── object_key ──▶ R2: one object per blob
--    (name)        │     (a link: this        (digest, size)
--                  │      repository may
--                  │      see this blob)
--                  │            ▲
--                  │            │ foreign key: what a manifest names cannot go away
--                  │      manifest_blobs
--                  │            │
--                  └─< manifests ──── content, or object_key ──▶ R2: a manifest too large for a row
--                       │   ▲  └───── subject: the manifest it refers to, which need not exist
--                       │   │
--           index_manifests └── tags
--          (what an image
--           index names)
--
--   doomed_objects: R2 keys that no row names any more, waiting to be deleted
--   gc_state, gc_runs: where collection stands, and what it did
--   upload sessions live in Durable Objects, users in KV
--
-- Times are milliseconds since the epoch, sizes are bytes, digests are "<algorithm>:<hex>".

-- One row: what this registry is, whatever host it is asked by.
CREATE TABLE registry (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  identity TEXT NOT NULL,
  schema_version INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE repositories (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE blobs (
  digest TEXT PRIMARY KEY,
  -- A random R2 key. It is never used again, so deleting it can never hit a newer upload of this digest.
  object_key TEXT NOT NULL UNIQUE,
  size INTEGER NOT NULL,
  -- When it was last uploaded.
  used_at INTEGER NOT NULL,
  -- 0 when no repository sees it any more. Kept by the triggers below.
  linked INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

-- What collection looks through: only garbage, so that its cost does not grow with what is live.
CREATE INDEX blobs_unlinked ON blobs (used_at) WHERE linked = 0;

-- Invariant 2: a blob is visible in a repository only through its row here.
CREATE TABLE repository_blobs (
  repository_id INTEGER NOT NULL REFERENCES repositories (id),
  digest TEXT NOT NULL REFERENCES blobs (digest),
  -- When a push last relied on it: uploaded, mounted, or found by HEAD (refreshed lazily).
  used_at INTEGER NOT NULL,
  -- 1 while a manifest of the repository names it. Kept by the triggers below.
  referenced INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (repository_id, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX repository_blobs_by_digest ON repository_blobs (digest);
CREATE INDEX repository_blobs_unreferenced ON repository_blobs (used_at) WHERE referenced = 0;

CREATE TABLE manifests (
  repository_id INTEGER NOT NULL REFERENCES repositories (id),
  digest TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  -- The exact bytes as text (they are valid UTF-8), unless they are too large for a row …
  content TEXT,
  -- … and then the R2 key of the object that holds them.
  object_key TEXT UNIQUE,
  -- The digest of the manifest this one refers to. It need not exist.
  subject TEXT,
  -- For the referrers list: what a descriptor of this manifest carries.
  artifact_type TEXT,
  -- JSON, only beside a subject. NULL when too large to keep here: then they are read from the bytes.
  annotations TEXT,
  -- When a push last relied on it: pushed, or found by HEAD (refreshed lazily).
  used_at INTEGER NOT NULL,
  PRIMARY KEY (repository_id, digest),
  CHECK ((content IS NULL) <> (object_key IS NULL))
) STRICT;

CREATE INDEX manifests_by_subject ON manifests (repository_id, subject, digest) WHERE subject IS NOT NULL;
CREATE INDEX manifests_by_artifact_type ON manifests (repository_id, subject, artifact_type, digest)
  WHERE subject IS NOT NULL;

-- Invariant 1: every blob that a manifest names exists in its repository, and stays.
CREATE TABLE manifest_blobs (
  repository_id INTEGER NOT NULL,
  manifest_digest TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (repository_id, manifest_digest, digest),
  FOREIGN KEY (repository_id, manifest_digest) REFERENCES manifests (repository_id, digest) ON DELETE CASCADE,
  FOREIGN KEY (repository_id, digest) REFERENCES repository_blobs (repository_id, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX manifest_blobs_by_digest ON manifest_blobs (repository_id, digest);

-- `referenced` and `linked` say what a search for rows that do NOT exist would have to read everything for.
-- They only lead collection to its candidates; the foreign keys decide what may go. As triggers they hold for
-- every statement, cascades too.
CREATE TRIGGER reference_added AFTER INSERT ON manifest_blobs BEGIN
  UPDATE repository_blobs SET referenced = 1
  WHERE repository_id = NEW.repository_id AND digest = NEW.digest AND referenced = 0;
END;

CREATE TRIGGER reference_removed AFTER DELETE ON manifest_blobs BEGIN
  UPDATE repository_blobs SET referenced = 0
  WHERE repository_id = OLD.repository_id AND digest = OLD.digest
    AND NOT EXISTS (SELECT 1 FROM manifest_blobs WHERE repository_id = OLD.repository_id AND digest = OLD.digest);
END;

CREATE TRIGGER link_added AFTER INSERT ON repository_blobs BEGIN
  UPDATE blobs SET linked = 1 WHERE digest = NEW.digest AND linked = 0;
END;

CREATE TRIGGER link_removed AFTER DELETE ON repository_blobs BEGIN
  UPDATE blobs SET linked = 0
  WHERE digest = OLD.digest AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE digest = OLD.digest);
END;

-- What an image index names. Not a foreign key: sparse indexes are allowed by a setting, and a manifest
-- that an index names can be deleted.
CREATE TABLE index_manifests (
  repository_id INTEGER NOT NULL,
  index_digest TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (repository_id, index_digest, digest),
  FOREIGN KEY (repository_id, index_digest) REFERENCES manifests (repository_id, digest) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX index_manifests_by_digest ON index_manifests (repository_id, digest);

-- Names compare in BINARY collation, which is the ASCII order that the specification asks of lists.
CREATE TABLE tags (
  repository_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (repository_id, name),
  FOREIGN KEY (repository_id, digest) REFERENCES manifests (repository_id, digest) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX tags_by_digest ON tags (repository_id, digest);

-- Invariant 6: a key comes here in the statement that deletes its row, by the triggers below; R2 deletion follows,
-- and is repeated until it succeeds.
CREATE TABLE doomed_objects (
  object_key TEXT PRIMARY KEY,
  doomed_at INTEGER NOT NULL,
  -- When R2 has confirmed; NULL before. The row stands a while longer: no commit on its way may use the key.
  deleted_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TRIGGER blob_deleted AFTER DELETE ON blobs BEGIN
  INSERT INTO doomed_objects (object_key, doomed_at) VALUES (OLD.object_key, unixepoch() * 1000)
  ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER manifest_deleted AFTER DELETE ON manifests WHEN OLD.object_key IS NOT NULL BEGIN
  INSERT INTO doomed_objects (object_key, doomed_at) VALUES (OLD.object_key, unixepoch() * 1000)
  ON CONFLICT DO NOTHING;
END;

-- One row: who collects garbage until when, and where the next run goes on.
CREATE TABLE gc_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- The id of the run that holds the lease; NULL when none does.
  holder TEXT,
  lease_expires_at INTEGER NOT NULL,
  -- JSON: for each walk through live rows and objects, the last one seen.
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
