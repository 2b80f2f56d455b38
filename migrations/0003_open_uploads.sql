-- Upload sessions that have begun and not ended, to hold each user and the registry to a number of them. The session
-- itself lives in its Durable Object. A row whose session has ended without taking it away counts until
-- UPLOAD_EXPIRY, and goes with the next collection.
CREATE TABLE open_uploads (
  -- Whose they are.
  owner TEXT NOT NULL,
  id TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX open_uploads_by_age ON open_uploads (started_at);

UPDATE registry SET schema_version = 2 WHERE id = 1;
