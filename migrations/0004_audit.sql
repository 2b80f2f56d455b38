-- The audit trail: who changed what. An event is written in the batch that makes the change, so that neither exists
-- without the other (src/storage/audit.ts). Kept for AUDIT_KEPT.
CREATE TABLE audit_events (
  -- Made of what there can be only one of, such as a request: a statement that is repeated adds nothing.
  id TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  -- A user, a name from elsewhere, or "cron". NULL for nobody who was known.
  actor TEXT,
  -- "password", "token" with the id of a machine token, or "oidc". NULL without one.
  credential TEXT,
  -- The network address. NULL where nobody asked from one.
  address TEXT,
  user_agent TEXT,
  action TEXT NOT NULL,
  -- "done", "failed" or "refused". Of a collection that of its report.
  outcome TEXT NOT NULL,
  repository TEXT,
  -- A tag, or what else it is about: the name of a user, or of a token behind its owner's.
  reference TEXT,
  old_digest TEXT,
  new_digest TEXT,
  -- JSON: what else there is to say.
  detail TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_events_by_time ON audit_events (at, id);
CREATE INDEX audit_events_by_repository ON audit_events (repository, at, id) WHERE repository IS NOT NULL;

UPDATE registry SET schema_version = 3;
