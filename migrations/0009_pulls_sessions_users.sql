-- When it was last pulled, to the day: a pull within a day of the last that was noted writes nothing. NULL for what was
-- not pulled since there is this column. Nothing is decided by it: see src/storage/pulls.ts.
ALTER TABLE manifests ADD COLUMN pulled_at INTEGER;

-- The last of its manifests'. Kept by the trigger below.
ALTER TABLE repositories ADD COLUMN pulled_at INTEGER;

CREATE TRIGGER manifest_pulled AFTER UPDATE OF pulled_at ON manifests BEGIN UPDATE repositories SET pulled_at = NEW.pulled_at WHERE id = NEW.repository_id AND coalesce(pulled_at, 0) < NEW.pulled_at; END;

-- Sessions of browsers that were ended before their time: a session itself is a signed token, and is kept nowhere. See
-- src/storage/ended-sessions.ts.
CREATE TABLE ended_sessions (
  -- "session/" and the SHA-256 of its token, or "all/" and the name of whom they are.
  id TEXT PRIMARY KEY,
  -- What began until then has ended.
  ended_at INTEGER NOT NULL,
  -- When the last of them would have ended by itself: then the row can go.
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX ended_sessions_by_expiry ON ended_sessions (expires_at);

-- Users are entries of KV, which cannot be asked to write only what nobody has changed: whoever changes one says so here
-- first, and the last of two who have read the same is refused. See src/storage/user-changes.ts.
CREATE TABLE user_changes (
  name TEXT PRIMARY KEY,
  -- What stands for the entry as it is since then.
  version TEXT NOT NULL,
  -- Of the request: one that is repeated has changed it already.
  request TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- "berth user" writes an event before it changes an entry: that counts as its word here.
CREATE TRIGGER user_changed_by_command AFTER INSERT ON audit_events WHEN NEW.credential = 'command line' AND NEW.action IN ('add-user', 'change-password', 'grant-rights', 'remove-user') BEGIN INSERT INTO user_changes (name, version, request, changed_at) VALUES (NEW.reference, 'command line', NEW.id, CAST(unixepoch('subsec') * 1000 AS INTEGER)) ON CONFLICT (name) DO UPDATE SET version = excluded.version, request = excluded.request, changed_at = excluded.changed_at; END;

UPDATE registry SET schema_version = 9;
