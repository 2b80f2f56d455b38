-- Quotas: how many bytes some repositories may hold together. What is linked there counts, each digest once, and
-- manifests do as well (src/storage/quotas.ts). The triggers keep the sums, so they hold for every statement,
-- cascades and collections too, and refuse the statement that would go beyond one: no two pushes get by together.
CREATE TABLE quotas (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  -- "repositories": those whose names match. "owner": those that a user's push has made.
  kind TEXT NOT NULL,
  -- A glob, or a user's name.
  pattern TEXT NOT NULL,
  -- The glob as SQLite evaluates it: what a name begins with, a GLOB for the rest of it (D1 takes 50 bytes), and how
  -- many slashes the whole has: NULL where "**" goes across them.
  prefix TEXT NOT NULL,
  glob TEXT NOT NULL,
  slashes INTEGER,
  -- Bytes.
  allowed INTEGER NOT NULL,
  -- Bytes. NULL while they are counted, in the batch that sets the quota: nothing is refused then.
  used INTEGER,
  updated_at INTEGER NOT NULL
) STRICT;

-- Whose push made it. NULL for repositories from before this column.
ALTER TABLE repositories ADD COLUMN owner TEXT;

-- Which quotas a repository counts for.
CREATE TABLE quota_repositories (
  repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  quota_id INTEGER NOT NULL REFERENCES quotas (id) ON DELETE CASCADE,
  PRIMARY KEY (repository_id, quota_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX quota_repositories_by_quota ON quota_repositories (quota_id);

-- What counts for a quota.
CREATE TABLE quota_bytes (
  quota_id INTEGER NOT NULL REFERENCES quotas (id) ON DELETE CASCADE,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  -- How many links to the blob, and manifests of this digest, the quota's repositories have.
  links INTEGER NOT NULL,
  PRIMARY KEY (quota_id, digest)
) STRICT, WITHOUT ROWID;

-- The condition is COVERS in src/storage/quotas.ts.
CREATE TRIGGER quota_repository_added AFTER INSERT ON repositories BEGIN INSERT INTO quota_repositories (repository_id, quota_id) SELECT NEW.id, quotas.id FROM (SELECT NEW.name AS name, NEW.owner AS owner) AS target JOIN quotas ON target.name BETWEEN quotas.prefix AND quotas.prefix || '~' AND (quotas.kind = 'owner' AND target.owner = quotas.pattern OR quotas.kind = 'repositories' AND substr(target.name, length(quotas.prefix) + 1) GLOB quotas.glob AND (quotas.slashes IS NULL OR quotas.slashes = length(target.name) - length(replace(target.name, '/', '')))); END;

CREATE TRIGGER quota_link_added AFTER INSERT ON repository_blobs BEGIN INSERT INTO quota_bytes (quota_id, digest, size, links) SELECT quota_id, digest, size, 1 FROM quota_repositories JOIN blobs ON blobs.id = NEW.blob_id WHERE repository_id = NEW.repository_id ON CONFLICT (quota_id, digest) DO UPDATE SET links = links + 1; END;
CREATE TRIGGER quota_link_removed AFTER DELETE ON repository_blobs BEGIN UPDATE quota_bytes SET links = links - 1 WHERE digest = (SELECT digest FROM blobs WHERE id = OLD.blob_id) AND quota_id IN (SELECT quota_id FROM quota_repositories WHERE repository_id = OLD.repository_id); END;
CREATE TRIGGER quota_blob_resized AFTER UPDATE OF size ON blobs WHEN OLD.size <> NEW.size BEGIN UPDATE quota_bytes SET size = NEW.size WHERE digest = NEW.digest AND quota_id IN (SELECT id FROM quotas); END;

CREATE TRIGGER quota_manifest_added AFTER INSERT ON manifests BEGIN INSERT INTO quota_bytes (quota_id, digest, size, links) SELECT quota_id, NEW.digest, NEW.size, 1 FROM quota_repositories WHERE repository_id = NEW.repository_id ON CONFLICT (quota_id, digest) DO UPDATE SET links = links + 1; END;
CREATE TRIGGER quota_manifest_removed AFTER DELETE ON manifests BEGIN UPDATE quota_bytes SET links = links - 1 WHERE digest = OLD.digest AND quota_id IN (SELECT quota_id FROM quota_repositories WHERE repository_id = OLD.repository_id); END;
CREATE TRIGGER quota_manifest_resized AFTER UPDATE OF size ON manifests WHEN OLD.size <> NEW.size BEGIN UPDATE quota_bytes SET size = NEW.size WHERE digest = NEW.digest AND quota_id IN (SELECT quota_id FROM quota_repositories WHERE repository_id = NEW.repository_id); END;

CREATE TRIGGER quota_bytes_added AFTER INSERT ON quota_bytes BEGIN UPDATE quotas SET used = used + NEW.size WHERE id = NEW.quota_id AND used IS NOT NULL; SELECT RAISE(ABORT, 'over a quota') FROM quotas WHERE id = NEW.quota_id AND used > allowed AND NEW.size > 0; END;
CREATE TRIGGER quota_bytes_resized AFTER UPDATE OF size ON quota_bytes BEGIN UPDATE quotas SET used = used + NEW.size - OLD.size WHERE id = NEW.quota_id AND used IS NOT NULL; END;
CREATE TRIGGER quota_bytes_unlinked AFTER UPDATE OF links ON quota_bytes WHEN NEW.links = 0 BEGIN DELETE FROM quota_bytes WHERE quota_id = NEW.quota_id AND digest = NEW.digest; END;
CREATE TRIGGER quota_bytes_removed AFTER DELETE ON quota_bytes BEGIN UPDATE quotas SET used = used - OLD.size WHERE id = OLD.quota_id AND used IS NOT NULL; END;

UPDATE registry SET schema_version = 6;
