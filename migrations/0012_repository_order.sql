-- Repositories in the order of their size, their last push and their last pull, for the pages: putting 100,000 in order
-- would read them all.

-- Of the blobs linked there. Bytes. Kept by the triggers below, so it holds for every statement.
ALTER TABLE repositories ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;

-- When a manifest was last pushed to it, 0 for never.
ALTER TABLE repositories ADD COLUMN pushed_at INTEGER NOT NULL DEFAULT 0;

-- 0 for never, as pulled_at is from now on: an order has no place for NULL.
ALTER TABLE repositories ADD COLUMN pulled INTEGER NOT NULL DEFAULT 0;

UPDATE repositories SET pulled = coalesce(pulled_at, 0), bytes = (SELECT coalesce(sum(size), 0) FROM repository_blobs JOIN blobs ON blobs.id = blob_id WHERE repository_id = repositories.id), pushed_at = (SELECT coalesce(max(updated_at), 0) FROM tags WHERE repository_id = repositories.id);

DROP TRIGGER manifest_pulled;
ALTER TABLE repositories DROP COLUMN pulled_at;
ALTER TABLE repositories RENAME COLUMN pulled TO pulled_at;
CREATE TRIGGER manifest_pulled AFTER UPDATE OF pulled_at ON manifests BEGIN UPDATE repositories SET pulled_at = NEW.pulled_at WHERE id = NEW.repository_id AND pulled_at < NEW.pulled_at; END;

CREATE INDEX repositories_by_bytes ON repositories (bytes) WHERE listed = 1;
CREATE INDEX repositories_by_push ON repositories (pushed_at) WHERE listed = 1;
CREATE INDEX repositories_by_pull ON repositories (pulled_at) WHERE listed = 1;

CREATE TRIGGER repository_bytes_added AFTER INSERT ON repository_blobs BEGIN UPDATE repositories SET bytes = bytes + (SELECT size FROM blobs WHERE id = NEW.blob_id) WHERE id = NEW.repository_id; END;
CREATE TRIGGER repository_bytes_removed AFTER DELETE ON repository_blobs BEGIN UPDATE repositories SET bytes = bytes - (SELECT size FROM blobs WHERE id = OLD.blob_id) WHERE id = OLD.repository_id; END;
CREATE TRIGGER repository_bytes_resized AFTER UPDATE OF size ON blobs WHEN OLD.size <> NEW.size BEGIN UPDATE repositories SET bytes = bytes + NEW.size - OLD.size WHERE id IN (SELECT repository_id FROM repository_blobs WHERE blob_id = NEW.id); END;

UPDATE registry SET schema_version = 12 WHERE id = 1;
