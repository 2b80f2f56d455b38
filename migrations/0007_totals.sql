-- How much the registry holds, for its status and its metrics: counting would read every row. Kept by the triggers, so
-- it holds for every statement, cascades and collections too.
CREATE TABLE totals (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Those that hold a manifest.
  repositories INTEGER NOT NULL,
  manifests INTEGER NOT NULL,
  -- Bytes.
  manifest_bytes INTEGER NOT NULL,
  blobs INTEGER NOT NULL,
  -- Bytes.
  blob_bytes INTEGER NOT NULL
) STRICT;

INSERT INTO totals (id, repositories, manifests, manifest_bytes, blobs, blob_bytes) SELECT 1, (SELECT count(*) FROM repositories WHERE listed = 1), (SELECT count(*) FROM manifests), (SELECT coalesce(sum(size), 0) FROM manifests), (SELECT count(*) FROM blobs), (SELECT coalesce(sum(size), 0) FROM blobs);

CREATE TRIGGER total_repository_added AFTER INSERT ON repositories WHEN NEW.listed = 1 BEGIN UPDATE totals SET repositories = repositories + 1 WHERE id = 1; END;
CREATE TRIGGER total_repository_removed AFTER DELETE ON repositories WHEN OLD.listed = 1 BEGIN UPDATE totals SET repositories = repositories - 1 WHERE id = 1; END;
CREATE TRIGGER total_repository_listed AFTER UPDATE OF listed ON repositories WHEN OLD.listed <> NEW.listed BEGIN UPDATE totals SET repositories = repositories + NEW.listed - OLD.listed WHERE id = 1; END;
CREATE TRIGGER total_manifest_added AFTER INSERT ON manifests BEGIN UPDATE totals SET manifests = manifests + 1, manifest_bytes = manifest_bytes + NEW.size WHERE id = 1; END;
CREATE TRIGGER total_manifest_resized AFTER UPDATE OF size ON manifests WHEN OLD.size <> NEW.size BEGIN UPDATE totals SET manifest_bytes = manifest_bytes + NEW.size - OLD.size WHERE id = 1; END;
CREATE TRIGGER total_manifest_removed AFTER DELETE ON manifests BEGIN UPDATE totals SET manifests = manifests - 1, manifest_bytes = manifest_bytes - OLD.size WHERE id = 1; END;
CREATE TRIGGER total_blob_added AFTER INSERT ON blobs BEGIN UPDATE totals SET blobs = blobs + 1, blob_bytes = blob_bytes + NEW.size WHERE id = 1; END;
CREATE TRIGGER total_blob_resized AFTER UPDATE OF size ON blobs WHEN OLD.size <> NEW.size BEGIN UPDATE totals SET blob_bytes = blob_bytes + NEW.size - OLD.size WHERE id = 1; END;
CREATE TRIGGER total_blob_removed AFTER DELETE ON blobs BEGIN UPDATE totals SET blobs = blobs - 1, blob_bytes = blob_bytes - OLD.size WHERE id = 1; END;

-- Sums over what every isolate has counted: see src/metrics/requests.ts.
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Additions that were made, so that one that is repeated adds nothing. Kept for a day.
CREATE TABLE counter_additions (
  id TEXT PRIMARY KEY,
  added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX counter_additions_by_age ON counter_additions (added_at);

UPDATE registry SET schema_version = 7;
