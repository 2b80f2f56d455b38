-- What the registry held, a row for each day on which garbage was collected: its totals when the last run of that day
-- ended. See src/storage/usage-days.ts.
CREATE TABLE usage_days (
  -- Days since the epoch, in UTC.
  day INTEGER PRIMARY KEY,
  repositories INTEGER NOT NULL,
  manifests INTEGER NOT NULL,
  blobs INTEGER NOT NULL,
  -- Blobs and manifests together. Bytes.
  bytes INTEGER NOT NULL
) STRICT;

UPDATE registry SET schema_version = 8;
